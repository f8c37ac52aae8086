// Elements are made here alone, and texts go into them as text: nothing that a model or a dataset
// wrote is ever read as markup.

// Characters that would hide, move or turn round the text beside them; texts.py has the same list.
const HIDDEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\p{Cs}]/gu;

const codePoint = (character) =>
  `[U+${character.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}]`;

const visible = (text) => String(text).replace(/\r\n?/g, "\n").replace(HIDDEN, codePoint);

const byId = (id) => document.getElementById(id);

const isNothing = (value) => value === null || value === undefined || value === false;

// Adds texts and elements, in lists or not; leaves out what is nothing.
function fill(element, ...children) {
  for (const child of children.flat(Infinity)) {
    if (!isNothing(child)) element.append(child instanceof Node ? child : visible(child));
  }
  return element;
}

// Makes an element. `on` are listeners by event, `data` is its data set, the rest are attributes.
function make(name, properties = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key === "on") {
      for (const [event, listener] of Object.entries(value)) element.addEventListener(event, listener);
    } else if (key === "data") {
      Object.assign(element.dataset, value);
    } else if (!isNothing(value)) {
      if (key === "href" && !value.startsWith("#")) throw new Error("links stay in the page");
      element.setAttribute(key, value === true ? "" : visible(value));
    }
  }
  return fill(element, children);
}

const name = (text, properties = {}) => make("bdi", { title: text, ...properties }, text);

const replace = (element, ...children) => {
  element.replaceChildren();
  return fill(element, children);
};

const shortened = (text, length) => {
  const characters = Array.from(text.slice(0, 2 * length + 2));
  return characters.length > length ? `${characters.slice(0, length - 1).join("")}…` : text;
};

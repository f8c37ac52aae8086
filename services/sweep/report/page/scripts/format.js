// How numbers are written. Missing values are a dash, and a minus is a minus.

const MISSING = "–";
const SIGNIFICANT = 0.05;

const isMissing = (value) => value === null || value === undefined || Number.isNaN(value);

const minus = (text) => text.replace("-", "−");

const number = (value, digits) => (isMissing(value) ? MISSING : minus(value.toFixed(digits)));

const signed = (value, digits) => {
  if (isMissing(value)) return MISSING;
  const text = number(value, digits);
  return Number(value.toFixed(digits)) > 0 ? `+${text}` : text.replace(/^−(0(\.0+)?)$/, "$1");
};

const interval = (low, high, digits) =>
  isMissing(low) || isMissing(high) ? "" : `${number(low, digits)} to ${number(high, digits)}`;

const count = (value) => (isMissing(value) ? MISSING : value.toLocaleString("en"));

const plural = (value, one, many = `${one}s`) => `${count(value)} ${value === 1 ? one : many}`;

const pValue = (p) => {
  if (isMissing(p)) return MISSING;
  if (p < 0.001) return "< 0.001";
  return p > 0.999 ? "> 0.999" : p.toFixed(3);
};

const pSentence = (p) => {
  if (isMissing(p)) return "no p-value";
  const text = pValue(p).replace(" ", "\u00a0");
  return /^[<>]/.test(text) ? `p\u00a0${text}` : `p\u00a0=\u00a0${text}`;
};

const isSure = (contrast) =>
  contrast !== null && !isMissing(contrast.corrected) && contrast.corrected < SIGNIFICANT;

const SETTINGS = { with_title: "With Title", without_title: "Without Title" };
const CONTROLS = { none: "", wrong_image: "another artwork’s picture", no_image: "no picture" };

// The index of questions and answers: columns in typed arrays, filtered without a document.

const STATUSES = ["scored", "unscorable", "failed", "pending"];
const SETTING_NAMES = ["with_title", "without_title"];
const PART_NAMES = ["seen", "unseen", "none"];

const plain = (text) => text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();

// Places of the answers of each question: those of question q are order[first[q]] to order[first[q + 1] - 1].
function groupAnswers(questionOfAnswer, questionCount) {
  const first = new Int32Array(questionCount + 1);
  for (const question of questionOfAnswer) first[question + 1] += 1;
  for (let question = 0; question < questionCount; question += 1) first[question + 1] += first[question];
  const next = first.slice(0, questionCount);
  const order = new Int32Array(questionOfAnswer.length);
  questionOfAnswer.forEach((question, answer) => {
    order[next[question]] = answer;
    next[question] += 1;
  });
  return { first, order };
}

const floats = (column) => Float32Array.from(column, (value) => (value === null ? NaN : value));

function readIndex(raw) {
  const { questions, answers } = raw;
  const question = Int32Array.from(answers.question);
  const index = {
    contenders: raw.contenders,
    metrics: raw.metrics,
    shown: raw.shown,
    total: raw.total,
    note: raw.note ?? "",
    questionCount: questions.name.length,
    answerCount: question.length,
    name: questions.name,
    questionId: questions.question_id,
    title: questions.title,
    artwork: questions.artwork,
    section: questions.section,
    setting: Uint8Array.from(questions.setting),
    part: Uint8Array.from(questions.part),
    chunk: Int32Array.from(questions.chunk),
    offset: Int32Array.from(questions.offset),
    contender: Uint16Array.from(answers.contender),
    replicate: Uint16Array.from(answers.replicate),
    status: Uint8Array.from(answers.status),
    truncated: Uint8Array.from(answers.truncated),
    values: new Map(raw.metrics.map((metric) => [metric, floats(answers.values[metric])])),
    ...groupAnswers(question, questions.name.length),
  };
  index.placeOf = new Map(index.name.map((text, place) => [text, place]));
  index.searched = index.name.map((text, place) =>
    plain(`${index.title[place]}\n${index.section[place]}\n${index.artwork[place]}\n${text}\n${index.questionId[place]}`),
  );
  index.twins = new Map();
  index.questionId.forEach((id, place) => {
    const key = `${index.part[place]} ${id}`;
    if (!index.twins.has(key)) index.twins.set(key, []);
    index.twins.get(key).push(place);
  });
  return index;
}

// The same question in the other setting; -1 where there is none.
function twinOf(index, question) {
  const places = index.twins.get(`${index.part[question]} ${index.questionId[question]}`) ?? [];
  return places.find((place) => index.setting[place] !== index.setting[question]) ?? -1;
}

const answersOf = (index, question) => index.order.subarray(index.first[question], index.first[question + 1]);

// The mean of a contender's replicates; not a number where nothing is scored.
function valueOf(index, question, contender, values) {
  let [total, found] = [0, 0];
  for (const answer of answersOf(index, question)) {
    if (index.contender[answer] === contender && !Number.isNaN(values[answer])) {
      total += values[answer];
      found += 1;
    }
  }
  return found ? total / found : NaN;
}

// Says of an answer whether the filters let it through.
function answerTest(index, filters) {
  const status = STATUSES.indexOf(filters.status);
  const values = index.values.get(filters.metric);
  const ranged = values && (filters.min !== null || filters.max !== null);
  const [min, max] = [filters.min ?? -Infinity, filters.max ?? Infinity];
  return (answer) =>
    (filters.contender < 0 || index.contender[answer] === filters.contender) &&
    (status < 0 || index.status[answer] === status) &&
    (filters.status !== "truncated" || index.truncated[answer] === 1) &&
    (!ranged || (values[answer] >= min && values[answer] <= max));
}

// What a question is sorted by: the mean over the answers let through, or a difference of two.
function sortKeys(index, filters, test) {
  const values = index.values.get(filters.metric);
  if (!values || filters.sort === "file" || filters.sort === "title") return null;
  const keys = new Float64Array(index.questionCount);
  for (let question = 0; question < index.questionCount; question += 1) {
    if (filters.against >= 0 && filters.contender >= 0) {
      keys[question] = valueOf(index, question, filters.contender, values) - valueOf(index, question, filters.against, values);
      continue;
    }
    let [total, found] = [0, 0];
    for (const answer of answersOf(index, question)) {
      if (test(answer) && !Number.isNaN(values[answer])) {
        total += values[answer];
        found += 1;
      }
    }
    keys[question] = found ? total / found : NaN;
  }
  return keys;
}

function sortQuestions(index, questions, filters, test) {
  if (filters.sort === "title") {
    const collator = new Intl.Collator("en", { numeric: true });
    return questions.sort((a, b) => collator.compare(index.title[a], index.title[b]) || a - b);
  }
  const keys = sortKeys(index, filters, test);
  if (!keys) return questions;
  const sign = filters.sort === "low" ? 1 : -1;
  const order = (a, b) => {
    const [first, second] = [keys[a], keys[b]];
    if (Number.isNaN(first) || Number.isNaN(second)) return Number.isNaN(first) - Number.isNaN(second) || a - b;
    return sign * (first - second) || a - b;
  };
  return questions.sort(order);
}

// The questions that the filters let through, in the order asked for, and how many answers these are.
function findQuestions(index, filters) {
  const terms = plain(filters.text).split(/\s+/).filter(Boolean);
  const setting = SETTING_NAMES.indexOf(filters.setting);
  const part = PART_NAMES.indexOf(filters.part);
  const test = answerTest(index, filters);
  const found = [];
  let answers = 0;
  for (let question = 0; question < index.questionCount; question += 1) {
    if (setting >= 0 && index.setting[question] !== setting) continue;
    if (part >= 0 && index.part[question] !== part) continue;
    if (!terms.every((term) => index.searched[question].includes(term))) continue;
    let matching = 0;
    for (const answer of answersOf(index, question)) matching += test(answer) ? 1 : 0;
    if (matching) {
      answers += matching;
      found.push(question);
    }
  }
  return { questions: sortQuestions(index, found, filters, test), answers };
}

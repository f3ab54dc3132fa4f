/** What changed between two drafts, in the words of the controls. */

import { short } from "./dom.js";

const LONGEST = 60;

/** Says what leads from one draft to another, such as "kana: coefficient 1 → 0.4". */
export function difference(from, to, titleOf = (name) => name) {
  const parts = from.family === to.family ? changes(from, to, titleOf) : ["other models"];
  const shown = parts.slice(0, 2).map((part) => (part.length > LONGEST ? `${part.slice(0, LONGEST)}…` : part));
  if (parts.length > 2) shown.push(`${parts.length - 2} more`);
  return shown.join("; ") || "settings";
}

function changes(from, to, titleOf) {
  const parts = [];
  if (from.method !== to.method) parts.push(`method ${titleOf(from.method)} → ${titleOf(to.method)}`);
  if ((from.solo ?? null) !== (to.solo ?? null)) parts.push(to.solo ? `only ${to.solo}` : "all experts again");
  parts.push(...experts(from.experts ?? [], to.experts ?? []));
  if (from.method === to.method) parts.push(...values(from.params, to.params));
  parts.push(...verbs(from.after, to.after, titleOf), ...values(from.kept, to.kept));
  return parts;
}

function experts(from, to) {
  const parts = [];
  for (const row of to) {
    const was = from.find((other) => other.name === row.name) ?? {};
    if (Boolean(was.on) !== Boolean(row.on)) parts.push(`${row.name} ${row.on ? "on" : "off"}`);
    if (say(was.step) !== say(row.step)) parts.push(`${row.name}: step ${say(was.step)} → ${say(row.step)}`);
    if (say(was.weight) !== say(row.weight)) parts.push(`${row.name}: coefficient ${say(was.weight)} → ${say(row.weight)}`);
  }
  const order = (rows) => rows.map((row) => row.name).join(" ");
  if (order(from) !== order(to)) parts.push("order of the experts");
  return parts;
}

function values(from = {}, to = {}) {
  const names = [...new Set([...Object.keys(from ?? {}), ...Object.keys(to ?? {})])];
  return names.filter((name) => say(from?.[name]) !== say(to?.[name]))
    .map((name) => `${name.replaceAll("_", " ")} ${say(from?.[name])} → ${say(to?.[name])}`);
}

const named = (steps) => new Map((steps ?? []).map((step) => (typeof step === "string" ? [step, {}] : Object.entries(step)[0])));

function verbs(from, to, titleOf) {
  const [old, now] = [named(from), named(to)];
  const gone = [...old.keys()].filter((name) => !now.has(name)).map((name) => `${titleOf(name)} off`);
  return gone.concat([...now].flatMap(([name, params]) => (old.has(name)
    ? values(old.get(name), params).map((words) => `${titleOf(name)}: ${words}`) : [`${titleOf(name)} on`])));
}

function say(value) {
  if (value === undefined) return "default";
  if (value === null) return "auto";
  if (Array.isArray(value.depth)) return `${value.depth.map(short).join(" … ")} over depth`;
  return typeof value === "object" ? JSON.stringify(value) : short(value);
}

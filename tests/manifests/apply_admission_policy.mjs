// apply_admission_policy.mjs TOOLS <MANIFESTS: what a MutatingAdmissionPolicy makes of pods. Reads a YAML stream of the
// policy's manifest, its parameters (a PodTemplate) and pods, writes a JSON list: for each pod {matches, pod}.
//
// It stands in for the API server where its own plugin is not compiled (tests/admission): an interpreter of CEL evaluates
// the very expressions.
// It has no types of Kubernetes': Object.x{} and JSONPatch{} become maps, after a check that an Object's name is the
// path of its place, which is what the API server checks, too. The two ways to patch are the few lines below: a JSON
// patch that adds or replaces, and a merge whose lists are keyed as in Kubernetes' schema. Costs are not counted.
import fs from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import {createRequire} from 'node:module';

const require = createRequire(path.join(path.resolve(process.argv[2]), 'package.json'));
const YAML = require('yaml');
const {celEnv, celList, celMap, isCelError, isCelList, isCelMap, parse, plan} = require('@bufbuild/cel');
const {strings} = require('@bufbuild/cel/ext');
const environment = celEnv({funcs: strings.STRINGS_EXT_FUNCS ?? strings});

// ---- CEL ------------------------------------------------------------------------------------------------------------

/** Object.spec{name: 1} as {"__type": "Object.spec", "name": 1}. */
function asMaps(expression) {
  const tokens = expression.match(/"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|[A-Za-z_][\w.]*|\s+|./gs);
  const inTyped = [];
  let text = '';
  for (let i = 0; i < tokens.length; i++) {
    const token = tokens[i];
    const typed = /^(Object(\.\w+)*|JSONPatch)$/.test(token) && tokens[i + 1] === '{';
    if (typed) {
      const next = tokens.slice(i + 2).find((one) => !/^\s+$/.test(one));
      text += `{"__type": "${token}"${next === '}' ? '' : ', '}`;
      inTyped.push(true);
      i++;
    } else if ('{[('.includes(token)) {
      inTyped.push(false);
      text += token;
    } else if ('}])'.includes(token)) {
      inTyped.pop();
      text += token;
    } else if (inTyped.at(-1) && /^[a-z]\w*$/i.test(token) && tokens[i + 1] === ':' && /[,{]\s*$/.test(text)) {
      text += `"${token}"`;
    } else {
      text += token;
    }
  }
  return text;
}

function toCel(value) {
  if (Array.isArray(value)) return celList(value.map(toCel));
  if (value !== null && typeof value === 'object')
    return celMap(new Map(Object.entries(value).map(([key, one]) => [key, toCel(one)])));
  return Number.isInteger(value) ? BigInt(value) : value;
}

function fromCel(value) {
  if (isCelList(value)) return [...value].map(fromCel);
  if (isCelMap(value)) return Object.fromEntries([...value.entries()].map(([key, one]) => [key, fromCel(one)]));
  return typeof value === 'bigint' ? Number(value) : value;
}

function evaluate(expression, bindings) {
  const result = plan(environment, parse(asMaps(expression)))(bindings);
  if (isCelError(result)) throw new Error(`${result.message}\n${expression}`);
  return result;
}

// ---- Patches --------------------------------------------------------------------------------------------------------

/** The value without the types' names, each of which must be the path of its place. */
function untyped(value, where) {
  if (Array.isArray(value)) return value.map((one) => untyped(one, where));
  if (value === null || typeof value !== 'object') return value;
  const {__type: type, ...fields} = value;
  if (type && where && type !== where) throw new Error(`${type} at the place of ${where}`);
  const name = type ?? where;
  return Object.fromEntries(
    Object.entries(fields).map(([key, one]) => [key, untyped(one, name && `${name}.${key}`)]));
}

function patchAt(object, op, pointer, value) {
  const keys = pointer.split('/').slice(1).map((key) => key.replaceAll('~1', '/').replaceAll('~0', '~'));
  const last = keys.pop();
  const parent = keys.reduce((one, key) => one[key], object);
  if (op === 'replace' && !(last in parent)) throw new Error(`nothing to replace at ${pointer}`);
  if (!Array.isArray(parent)) parent[last] = value;
  else if (last === '-') parent.push(value);
  else parent.splice(Number(last), op === 'add' ? 0 : 1, value);
}

const KEYS = {containers: 'name', env: 'name', volumes: 'name', volumeMounts: 'mountPath'};

function merge(old, patch, name) {
  if (Array.isArray(patch)) {
    if (!KEYS[name]) throw new Error(`${name} is atomic`);
    let merged = [...(old ?? [])];
    for (const item of patch) {
      const at = merged.findIndex((one) => one[KEYS[name]] === item[KEYS[name]]);
      // Of several with this key one is left.
      merged = merged.filter((one, i) => i <= at || at < 0 || one[KEYS[name]] !== item[KEYS[name]]);
      if (at < 0) merged.push(item);
      else merged[at] = merge(merged[at], item, '');
    }
    return merged;
  }
  if (patch === null || typeof patch !== 'object') return patch;
  const merged = {...(old ?? {})};
  for (const [key, value] of Object.entries(patch)) merged[key] = merge(merged[key], value, key);
  return merged;
}

// ---- The policy -----------------------------------------------------------------------------------------------------

function apply(spec, parameters, pod) {
  const params = toCel(parameters ?? null);
  const bind = (object) => {
    const bindings = {object: toCel(object), params};
    const variables = {};
    for (const {name, expression} of spec.variables ?? []) {
      variables[name] = evaluate(expression, {...bindings, variables: celMap(new Map(Object.entries(variables)))});
    }
    return {...bindings, variables: celMap(new Map(Object.entries(variables)))};
  };
  const matches = (spec.matchConditions ?? []).every(({name, expression}) => {
    const result = evaluate(expression, {object: toCel(pod), params});
    if (typeof result !== 'boolean') throw new Error(`${name} is no boolean`);
    return result;
  });
  if (!matches) return {matches, pod};
  let object = structuredClone(pod);
  for (const mutation of spec.mutations) {
    if (mutation.patchType === 'JSONPatch') {
      for (const patch of fromCel(evaluate(mutation.jsonPatch.expression, bind(object)))) {
        if (patch.__type !== 'JSONPatch' || !['add', 'replace'].includes(patch.op))
          throw new Error(`no patch: ${JSON.stringify(patch)}`);
        patchAt(object, patch.op, patch.path, untyped(patch.value, ''));
      }
    } else {
      const patch = fromCel(evaluate(mutation.applyConfiguration.expression, bind(object)));
      object = merge(object, untyped(patch, 'Object'), '');
    }
  }
  return {matches, pod: object};
}

const objects = YAML.parseAllDocuments(fs.readFileSync(0, 'utf8'), {version: '1.1'}).map((one) => one.toJS());
const policy = objects.find((one) => one?.kind === 'MutatingAdmissionPolicy');
const parameters = objects.find((one) => one?.kind === 'PodTemplate');
const pods = objects.filter((one) => one?.kind === 'Pod');
console.log(JSON.stringify(pods.map((pod) => apply(policy.spec, parameters, pod)), null, 1));

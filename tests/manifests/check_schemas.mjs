// check_schemas.mjs TOOLS <MANIFESTS: holds every document of a YAML stream against the schemas of Kubernetes and of the
// Prometheus Operator. Prints a line for each thing that is wrong; exit status 1 if there was one.
//
// The validators of kubernetes-models say what is missing and what has a wrong type. They do not look at fields that no
// schema has: so they are given proxies, which tell what they have not looked at.
import fs from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import {createRequire} from 'node:module';
import {pathToFileURL} from 'node:url';

const tools = path.resolve(process.argv[2]);
const require = createRequire(path.join(tools, 'package.json'));
const YAML = require('yaml');

// What kustomize and kubectl read, and no server has a schema for.
const LOCAL = /^kustomize\.config\.k8s\.io\//;

function findModel(apiVersion, kind) {
  for (const models of ['kubernetes-models', '@kubernetes-models/prometheus-operator'])
    // The beta of admission policies, which these models no longer have, has the fields of v1.
    for (const version of [apiVersion, apiVersion.replace(/^(admissionregistration.k8s.io\/v1)beta1$/, '$1')]) {
      const file = path.join(tools, 'node_modules', models, version, `${kind}.js`);
      if (fs.existsSync(file)) return file;
    }
  return null;
}

async function findValidator(file) {
  const [, schema] = fs.readFileSync(file, 'utf8').match(/["'](\.[./]*_schemas\/\w+(?:\.js)?)["']/);
  const schemaFile = path.resolve(path.dirname(file), schema.endsWith('.js') ? schema : `${schema}.js`);
  return (await import(pathToFileURL(schemaFile))).validate;
}

/** A proxy of the value, and what of it has not been looked at. */
function watch(value, where, watched) {
  if (value === null || typeof value !== 'object') return value;
  const seen = new Set();
  watched.push({value, seen, where});
  const children = new Map();
  return new Proxy(value, {
    get(target, key) {
      if (typeof key === 'string') seen.add(key);
      if (!Object.hasOwn(target, key)) return target[key];
      if (key === 'openAPIV3Schema') return target[key];  // a schema of schemas, which the models leave open
      if (!children.has(key)) children.set(key, watch(target[key], `${where}/${String(key)}`, watched));
      return children.get(key);
    },
  });
}

async function check(object) {
  const name = `${object.kind}/${object.metadata?.name ?? '?'}`;
  if (LOCAL.test(object.apiVersion)) return [];
  if (/List$/.test(object.kind) && Array.isArray(object.items))
    return (await Promise.all(object.items.map(check))).flat();
  const file = findModel(object.apiVersion, object.kind);
  if (!file) return [`${name}: no schema for ${object.apiVersion} ${object.kind}`];
  if (object.apiVersion === 'admissionregistration.k8s.io/v1beta1')
    object = {...object, apiVersion: 'admissionregistration.k8s.io/v1'};
  const validate = await findValidator(file);
  const watched = [];
  const proxy = watch(object, '', watched);
  if (!validate(proxy))
    return validate.errors.map((error) =>
      `${name}: ${error.instancePath}: ${error.message ?? error.keyword} ${JSON.stringify(error.params)}`);
  return watched.flatMap(({value, seen, where}) =>
    Array.isArray(value) ? [] : Object.keys(value).filter((key) => !seen.has(key))
      .map((key) => `${name}: ${where}/${key}: unknown field`));
}

const wrong = [];
let objects = 0;
for (const document of YAML.parseAllDocuments(fs.readFileSync(0, 'utf8'), {version: '1.1', uniqueKeys: true})) {
  if (document.errors.length) {
    wrong.push(...document.errors.map((error) => error.message.split('\n')[0]));
    continue;
  }
  const object = document.toJS();
  if (object === null) continue;
  objects++;
  wrong.push(...(await check(object)));
}
for (const line of wrong) console.log(line);
console.log(`${objects} objects, ${wrong.length} wrong`);
process.exitCode = wrong.length ? 1 : 0;

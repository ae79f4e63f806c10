// The console: reads the API of its own server and shows it. Data becomes text nodes, never markup: dead letters are hostile.
'use strict';

const $ = id => document.getElementById(id);
const SVG = 'http://www.w3.org/2000/svg';
const SECONDS = 300;

/** Makes an element: attributes, then children (text or nodes). */
function el(name, attributes, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes ?? {})) {
    if (value === true) node.setAttribute(key, '');
    else if (value !== false && value != null) node.setAttribute(key, value);
  }
  node.append(...children.flat().filter(child => child != null));
  return node;
}

function svg(name, attributes) {
  const node = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  return node;
}

const show = (id, ...nodes) => $(id).replaceChildren(...nodes);
const empty = text => el('p', { class: 'empty' }, text);
const failure = text => el('p', { class: 'error', role: 'alert' }, text);
const state = (name, text) => el('span', { class: 'state ' + name }, text ?? name.replaceAll('_', ' '));

// ---- numbers and times ----

const grouped = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });
const short = new Intl.NumberFormat('en', { notation: 'compact', maximumSignificantDigits: 3 });

const count = value => value == null ? '–' : Math.abs(value) < 1e6 ? grouped.format(value) : short.format(value);

function rate(value) {
  if (value == null) return '–';
  return value > 0 && value < 10 ? value.toFixed(1) : count(value);
}

function duration(ms) {
  if (ms == null) return '–';
  if (ms < 0) return '−' + duration(-ms);
  if (ms < 1) return ms === 0 ? '0 ms' : ms.toFixed(2) + ' ms';
  if (ms < 1000) return (ms < 10 ? ms.toFixed(1).replace(/\.0$/, '') : Math.round(ms)) + ' ms';
  if (ms < 60e3) return (ms / 1e3).toFixed(ms < 10e3 ? 1 : 0) + ' s';
  if (ms < 3600e3) return Math.floor(ms / 60e3) + ' min ' + Math.round(ms % 60e3 / 1e3) + ' s';
  if (ms < 86400e3) return Math.floor(ms / 3600e3) + ' h ' + Math.round(ms % 3600e3 / 60e3) + ' min';
  return (ms / 86400e3).toFixed(1) + ' d';
}

function bytes(value) {
  const units = ['B', 'KiB', 'MiB', 'GiB'];
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) { value /= 1024; unit++; }
  return (unit && value < 100 ? value.toFixed(1) : Math.round(value)) + ' ' + units[unit];
}

const time = text => text == null ? '–' : text.replace('T', ' ').replace(/\.000Z$/, 'Z');

// ---- requests ----

/** Gets JSON. A problem document's detail becomes the error's message. */
async function get(path, method = 'GET') {
  let response;
  try {
    response = await fetch(path, { method, headers: { accept: 'application/json' }, signal: AbortSignal.timeout(10000) });
  } catch {
    throw new Error('The server does not answer.');
  }
  const body = await response.json().catch(() => null);
  if (!response.ok) throw new Error(body?.detail ?? 'The server answered ' + response.status + '.');
  return body;
}

// ---- curves ----

const charts = [
  { title: 'Throughput', unit: value => rate(value) + ' events/s', axis: rate, series: [['events_per_second', 'applied']] },
  { title: 'Lag', unit: value => count(value) + ' records', axis: count, leastStep: 1, series: [['lag_records', 'not applied yet']] },
  { title: 'Freshness', unit: duration, axis: duration, series: [['freshness_ms', 'append to readable, slowest partition']] },
  { title: 'Publish latency, p99', unit: duration, axis: duration, series: [['publish_p99_ms', 'p99'], ['publish_p50_ms', 'p50']] },
];

let samples = [];
let hovered = null;

function buildCharts() {
  show('charts', ...charts.map(chart => {
    chart.now = el('span', { class: 'chart-now' }, '–');
    chart.legend = el('div', { class: 'legend' });
    chart.svg = svg('svg', { role: 'img', 'aria-label': chart.title + ' over the last five minutes' });
    chart.svg.addEventListener('pointermove', event => {
      const box = chart.svg.getBoundingClientRect();
      const newest = samples.at(-1)?.t ?? 0;
      const at = newest - SECONDS * 1000 * (1 - (event.clientX - box.left - LEFT) / (box.width - LEFT));
      hovered = samples.reduce((best, sample) => best && Math.abs(best.t - at) <= Math.abs(sample.t - at) ? best : sample, null);
      draw();
    });
    chart.svg.addEventListener('pointerleave', () => { hovered = null; draw(); });
    return el('div', { class: 'panel chart' }, el('div', { class: 'chart-head' }, el('h3', {}, chart.title), chart.now), chart.svg, chart.legend);
  }));
}

const LEFT = 58, BOTTOM = 18, TOP = 6;

/** The least of 1, 2, 5 × 10ⁿ that holds the value in four steps. */
function niceStep(max) {
  const raw = max / 4;
  const power = 10 ** Math.floor(Math.log10(raw));
  return power * [1, 2, 5, 10].find(factor => factor * power >= raw * 0.999);
}

function draw() {
  for (const chart of charts) drawChart(chart);
}

function drawChart(chart) {
  const width = chart.svg.clientWidth || 480, height = chart.svg.clientHeight || 150;
  const plotHeight = height - BOTTOM - TOP, plotWidth = width - LEFT;
  const newest = samples.at(-1)?.t ?? Date.now();
  const values = chart.series.flatMap(([key]) => samples.map(sample => sample[key])).filter(value => value != null);
  const shown = hovered ?? samples.at(-1);
  const [first] = chart.series[0];
  chart.now.textContent = shown ? chart.unit(shown[first]) : '–';
  const when = hovered ? ' · ' + new Date(hovered.t).toLocaleTimeString() : '';
  chart.legend.replaceChildren(...chart.series.map(([key, label], index) => el('span', { class: 's' + (index + 1) }, el('i'),
    label + (chart.series.length > 1 && shown ? ' ' + chart.unit(shown[key]) : '') + (index === 0 ? when : ''))));
  chart.svg.setAttribute('viewBox', `0 0 ${width} ${height}`);
  const nodes = [];
  const max = Math.max(0, ...values);
  const step = max > 0 ? Math.max(niceStep(max), chart.leastStep ?? 0) : 1;
  const top = max > 0 ? step * Math.ceil(max / step) : 4;
  const x = t => LEFT + plotWidth * (1 - (newest - t) / (SECONDS * 1000));
  const y = value => TOP + plotHeight * (1 - value / top);
  for (let value = 0; values.length && value <= top * 1.001; value += step) {
    nodes.push(svg('line', { class: 'grid', x1: LEFT, x2: width, y1: y(value), y2: y(value) }));
    const label = svg('text', { class: 'axis', x: LEFT - 8, y: y(value) + 4, 'text-anchor': 'end' });
    label.textContent = chart.axis(value);
    nodes.push(label);
  }
  for (let minute = 0; minute <= 5; minute++) {
    const label = svg('text', { class: 'axis', x: LEFT + plotWidth * (1 - minute / 5), y: height - 2, 'text-anchor': minute === 0 ? 'end' : 'middle' });
    label.textContent = minute === 0 ? 'now' : `−${minute} min`;
    if (minute < 5) nodes.push(label);
  }
  chart.series.forEach(([key], index) => nodes.push(...curve(key, index, x, y)));
  if (!values.length) {
    const label = svg('text', { class: 'axis', x: LEFT + plotWidth / 2, y: TOP + plotHeight / 2, 'text-anchor': 'middle' });
    label.textContent = samples.length ? 'nothing to measure yet' : 'waiting for the first second';
    nodes.push(label);
  }
  if (hovered) nodes.push(svg('line', { class: 'cursor', x1: x(hovered.t), x2: x(hovered.t), y1: TOP, y2: TOP + plotHeight }));
  chart.svg.replaceChildren(...nodes);
}

/** A line for each run of samples without a gap; under the first series, its area. */
function curve(key, index, x, y) {
  const runs = [];
  let previous = null;
  for (const sample of samples) {
    if (sample[key] == null) { previous = null; continue; }
    if (previous == null || sample.t - previous > 5000) runs.push([]);
    runs.at(-1).push(sample);
    previous = sample.t;
  }
  return runs.flatMap(run => {
    const points = run.map(sample => `${x(sample.t).toFixed(1)},${y(sample[key]).toFixed(1)}`).join(' ');
    const line = svg('polyline', { class: 'curve s' + (index + 1), points });
    if (index > 0) return [line];
    const base = y(0).toFixed(1);
    return [svg('polygon', { class: 'area', points: `${x(run[0].t).toFixed(1)},${base} ${points} ${x(run.at(-1).t).toFixed(1)},${base}` }), line];
  });
}

// ---- status ----

const phases = { running: 'good', starting: 'waiting', replaying: 'waiting', draining: 'waiting', stopped: 'bad' };
let lastHeard = 0;

function banner(kind, text) {
  if ($('banner').textContent === text) return;
  $('banner').className = 'banner ' + kind;
  $('banner').textContent = text;
  document.title = (kind === 'good' ? '' : '⚠ ') + ($('project').textContent || 'Feature store');
}

function showStatus(status) {
  $('project').textContent = status.project;
  const words = { running: 'Running', starting: 'Starting', replaying: 'Catching up in silence', draining: 'Stopping', stopped: 'Stopped' };
  const paused = status.sources.flatMap(source => source.partitions).filter(partition => partition.state === 'paused').length;
  const kind = phases[status.phase] ?? 'waiting';
  banner(kind === 'good' && paused ? 'waiting' : kind,
    (words[status.phase] ?? status.phase) + (paused ? ` · ${paused} paused` : '') + (status.detail ? ' · ' + status.detail : ''));
  $('clock').textContent = time(status.time);
  showFacts(status);
  showPartitions(status.sources);
  showModels(status.models);
  $('letter-count').hidden = status.dead_letters.total === 0;
  $('letter-count').textContent = short.format(status.dead_letters.total);
  if (!$('letters').hidden && lettersShown !== status.dead_letters.total) loadLetters();
}

function showFacts(status) {
  const fact = (label, value) => el('div', {}, el('span', {}, label), el('strong', {}, value));
  const facts = [fact('Dead letters since start', count(status.dead_letters.total))];
  for (const source of status.sources)
    facts.push(fact('Stream time of ' + source.name, time(source.stream_time)));
  if (status.slice_count)
    facts.push(fact('Slices of the stream', (status.slices.join(', ') || 'none') + ' of ' + status.slice_count));
  if (status.checkpoint)
    facts.push(fact(`Checkpoint ${status.checkpoint.sequence}`, `${duration(status.checkpoint.age_ms)} ago · ${bytes(status.checkpoint.size_bytes)} in ${duration(status.checkpoint.duration_ms)}`));
  else
    facts.push(fact('Checkpoint', 'none yet'));
  if (status.publish)
    facts.push(fact('Published', rate(status.publish.per_second) + '/s'));
  show('facts', ...facts);
}

function table(headings, rows, caption) {
  return el('div', { class: 'scroll' }, el('table', {}, caption ? el('caption', {}, caption) : null,
    el('thead', {}, el('tr', {}, headings.map(heading => el('th', { scope: 'col', class: heading.startsWith('#') ? 'number' : null }, heading.replace('#', ''))))),
    el('tbody', {}, rows)));
}

const number = text => el('td', { class: 'number' }, text);

function showPartitions(sources) {
  const rows = sources.flatMap(source => source.partitions.map(partition => el('tr', {},
    el('td', {}, source.name), number(String(partition.partition)), el('td', {}, state(partition.state)),
    number(rate(partition.events_per_second)), number(count(partition.lag_records)), number(duration(partition.lag_ms)), number(duration(partition.freshness_ms)),
    number(grouped.format(partition.position)), number(partition.end_offset == null ? '–' : grouped.format(partition.end_offset)))));
  show('partitions', rows.length
    ? table(['Source', '#Partition', 'State', '#Events/s', '#Lag, records', '#Lag, time', '#Freshness', '#Position', '#End'], rows)
    : empty('No partition yet: the pipeline has not said which it reads.'));
}

function listen() {
  const stream = new EventSource('/v1/stream');
  stream.addEventListener('history', event => { samples = JSON.parse(event.data); draw(); });
  stream.addEventListener('status', event => {
    const { sample, status } = JSON.parse(event.data);
    if (!samples.length || samples.at(-1).t < sample.t) samples.push(sample);
    samples = samples.filter(kept => kept.t > sample.t - SECONDS * 1000);
    lastHeard = Date.now();
    showStatus(status);
    draw();
  });
  stream.addEventListener('error', () => {
    banner('bad', 'No connection to the server · trying again');
    // A refused stream is closed for good: open another.
    if (stream.readyState === EventSource.CLOSED) setTimeout(listen, 5000);
  });
}

setInterval(() => {
  if (lastHeard && Date.now() - lastHeard > 5000) banner('bad', `Nothing heard for ${duration(Math.floor((Date.now() - lastHeard) / 1000) * 1000)}`);
}, 1000);

// ---- look up ----

let definitions = null;

function keyTypes(entity) {
  const views = definitions.feature_views.filter(view => view.entity === entity.name);
  const source = definitions.sources.find(candidate => views.some(view => view.source === candidate.name));
  return entity.keys.map(key => [key, source?.fields[key] ?? 'string']);
}

function showKeys() {
  const entity = definitions.entities.find(candidate => candidate.name === $('lookup-entity').value);
  show('lookup-keys', ...(entity ? keyTypes(entity) : []).map(([key, type]) =>
    el('label', {}, key, el('input', { name: key, required: true, autocomplete: 'off', placeholder: type, inputmode: type === 'int64' ? 'numeric' : null }))));
}

let lookups = 0;

async function lookUp() {
  const entity = $('lookup-entity').value;
  const keys = new URLSearchParams([...$('lookup-keys').querySelectorAll('input')].map(input => [input.name, input.value]));
  const path = `/v1/entities/${encodeURIComponent(entity)}?${keys}`;
  const lookup = ++lookups;
  let nodes;
  try {
    nodes = [...entityNodes(await get(path)), eraseNode(path, entity, [...keys].map(([key, value]) => `${key} ${value}`).join(', '))];
  } catch (error) {
    nodes = [failure(error.message)];
  }
  // An answer that comes after a later question's is out of date.
  if (lookup === lookups && !asking) show('lookup-result', ...nodes);
}

/** Whether a question about erasing is open: an answer that follows every second must not replace it. */
let asking = false;

/** The button that erases the entity shown, and the question it asks first. */
function eraseNode(path, entity, key) {
  const box = el('div', { class: 'erase' });
  const button = (text, kind, act) => {
    const node = el('button', { type: 'button', class: kind }, text);
    node.addEventListener('click', act);
    return node;
  };
  const offer = () => { asking = false; box.replaceChildren(button('Erase …', 'danger', ask)); };
  const ask = () => {
    asking = true;
    const no = button('Keep', null, offer);
    box.replaceChildren(el('p', { role: 'alert' }, `Erase ${entity} ${key} for good? Its features begin anew with the next event.`), button('Erase for good', 'danger', erase), no);
    no.focus();
  };
  const erase = async () => {
    box.replaceChildren(el('p', {}, 'Erasing …'));
    try {
      await get(path, 'DELETE');
      asking = false;
      lookUp();
    } catch (error) {
      box.replaceChildren(failure(error.message), button('Try again', 'danger', erase), button('Keep', null, offer));
    }
  };
  offer();
  return box;
}

function entityNodes(found) {
  const nodes = found.found ? [] : [empty('Not known. No event of any view of this entity has carried this key, or it was erased.')];
  for (const view of found.views) {
    const rows = view.features.map(feature => el('tr', {}, el('td', {}, feature.name),
      number(plain(feature.value)), el('td', {}, state(feature.status, feature.status.replaceAll('_', ' ').toLowerCase()))));
    nodes.push(el('div', { class: 'panel' }, el('h3', {}, view.view), el('p', { class: 'tags' },
      el('span', {}, 'source ', el('b', {}, view.source)), el('span', {}, 'as of ', el('b', {}, time(view.as_of))),
      el('span', {}, 'newest event ', el('b', {}, time(view.event_timestamp))), el('span', {}, 'age ', el('b', {}, duration(view.age_ms)))),
    table(['Feature', '#Value', 'Status'], rows)));
  }
  return [el('div', { class: 'cards' }, nodes)];
}

$('lookup-entity').addEventListener('change', showKeys);
$('lookup-form').addEventListener('submit', event => { event.preventDefault(); lookUp(); });
setInterval(() => { if ($('lookup-follow').checked && !$('lookup').hidden && $('lookup-form').checkValidity()) lookUp(); }, 1000);

// ---- definitions ----

/** Short text of a JSON value: {a: 1, b: x}. */
function plain(value) {
  if (Array.isArray(value)) return '[' + value.map(plain).join(', ') + ']';
  if (typeof value === 'object' && value !== null) return '{' + Object.entries(value).map(([key, member]) => key + ': ' + plain(member)).join(', ') + '}';
  return String(value);
}

function windowText(window) {
  if (!window) return 'lifetime';
  return 'last ' + window.sliding + (window.delay ? ', ' + window.delay + ' ago' : '');
}

function tags(object, skip) {
  return el('p', { class: 'tags' }, Object.entries(object).filter(([key, value]) => !skip.includes(key) && !(typeof value === 'object' && !Object.keys(value).length))
    .map(([key, value]) => el('span', {}, key + ' ', el('b', {}, plain(value)))));
}

function card(object, skip, ...rest) {
  return el('div', { class: 'panel' }, el('h3', {}, object.name), tags(object, ['name', ...skip]), ...rest);
}

function fieldTable(fields) {
  return table(['Field', 'Type'], Object.entries(fields).map(([name, type]) => el('tr', {}, el('td', {}, name), el('td', {}, type))));
}

function showDefinitions() {
  const wanted = $('definitions-filter').value.trim().toLowerCase();
  const fits = object => !wanted || JSON.stringify(object).toLowerCase().includes(wanted);
  const featureRow = feature => el('tr', {}, el('td', {}, feature.name), el('td', {}, feature.aggregate), el('td', { class: 'wrap' }, el('code', {}, feature.of ?? 'events')),
    el('td', {}, windowText(feature.window)), el('td', { class: 'wrap' }, feature.where ? el('code', {}, feature.where) : '–'), number(feature.default == null ? '–' : String(feature.default)));
  const serviceRow = feature => el('tr', {}, el('td', {}, feature.name), el('td', { class: 'wrap' }, el('code', {}, feature.feature ?? feature.expression ?? 'request')),
    el('td', { class: 'wrap' }, feature.transform.length ? el('code', {}, feature.transform.map(plain).join(' → ')) : '–'));
  const groups = [
    ['Feature views', definitions.feature_views, view => card(view, ['features'],
      table(['Feature', 'Aggregate', 'Of', 'Window', 'Where', '#Default'], view.features.filter(feature => !wanted || fits(feature) || !view.features.some(fits)).map(featureRow)))],
    ['Feature services', definitions.feature_services, service => card(service, ['features', 'request'], tags({ request: service.request }, []),
      table(['Feature', 'From', 'Transform'], service.features.map(serviceRow)))],
    ['Models', definitions.models, model => card(model, [])],
    ['Entities', definitions.entities, entity => card(entity, ['keys'], el('p', { class: 'tags' }, el('span', {}, 'keys ', el('b', {}, entity.keys.join(', ')))))],
    ['Sources', definitions.sources, source => card(source, ['fields', 'kafka', 'clean'],
      el('p', { class: 'tags' }, el('span', {}, 'topic ', el('b', {}, source.kafka.topic)), el('span', {}, 'format ', el('b', {}, source.kafka.format))),
      fieldTable(source.fields), source.clean.length ? el('pre', {}, source.clean.map(plain).join('\n')) : null)],
  ];
  const nodes = groups.map(([title, objects, make]) => [title, objects.filter(fits), make]).filter(([, objects]) => objects.length)
    .flatMap(([title, objects, make]) => [el('h2', {}, `${title} (${objects.length})`), el('div', { class: 'stack' }, objects.map(make))]);
  show('definitions-tree', ...(nodes.length ? nodes : [empty('Nothing fits the filter.')]));
}

async function loadDefinitions() {
  try {
    definitions = await get('/v1/definitions');
  } catch (error) {
    show('definitions-tree', failure(error.message));
    setTimeout(loadDefinitions, 5000);
    return;
  }
  show('lookup-entity', ...definitions.entities.map(entity => el('option', { value: entity.name }, entity.name)));
  showKeys();
  showDefinitions();
}

$('definitions-filter').addEventListener('input', () => { if (definitions) showDefinitions(); });

// ---- models ----

let modelsShown = '';
const tensors = list => list.map(tensor => `${tensor.name} ${tensor.datatype} [${tensor.shape.map(dimension => dimension < 0 ? '?' : dimension).join(', ')}]`).join('\n');

async function showModels(models) {
  const key = JSON.stringify(models);
  if (key === modelsShown) return;
  modelsShown = key;
  if (!models.length) { show('models-list', empty('No model is defined.')); return; }
  const rows = await Promise.all(models.map(async model => {
    const shape = model.ready ? await get('/v2/models/' + encodeURIComponent(model.name)).catch(() => null) : null;
    return el('tr', {}, el('td', {}, model.name), el('td', {}, model.version ?? '–'), el('td', {}, model.ready ? state('ready') : state('missing', 'not loaded')), el('td', {}, model.service),
      el('td', {}, model.on ? 'every event of ' + model.on : 'on request'), el('td', {}, shape ? el('code', {}, tensors(shape.inputs)) : '–'), el('td', {}, shape ? el('code', {}, tensors(shape.outputs)) : '–'));
  }));
  show('models-list', table(['Model', 'Version', 'State', 'Service', 'Scores', 'Inputs', 'Outputs'], rows));
}

// ---- silos ----

async function loadSilos() {
  let answer;
  try {
    answer = await get('/v1/silos');
  } catch (error) {
    show('silos-list', failure(error.message));
    return;
  }
  show('silos-list', table(['Silo', 'State', 'Roles', 'Version', 'Since', 'Ingests', 'Definitions', 'Models', '#Entities', '#Blocks', '#Memory', '#Report'], answer.silos.map(siloRow)));
}

/** What is not as on the silo that answers is marked. */
function siloRow(silo) {
  const name = el('td', {}, silo.name ?? '–', silo.self ? el('b', {}, ' · this one') : null, el('br'), el('code', { class: 'quiet' }, silo.address));
  const trouble = silo.problem ? [state('missing', 'no answer'), el('br'), el('span', { class: 'quiet' }, silo.problem)] : null;
  if (silo.time == null)
    return el('tr', {}, name, el('td', { class: 'wrap', colspan: '11' }, trouble));
  const marked = (what, text, ...rest) => el('td', {}, text, silo.differs.includes(what) ? [' ', state('held_back', 'differs')] : null, ...rest);
  const total = member => silo.entities.reduce((sum, entity) => sum + entity[member], 0);
  const models = silo.feature_services.flatMap(service => service.models.map(model => [service.name + ' → ' + model.name + ' ' + (model.version ?? 'not loaded'), model.sha256]));
  return el('tr', {}, name,
    el('td', { class: 'wrap' }, trouble ?? state(silo.ready ? 'active' : 'paused', silo.phase), silo.memory.shedding ? [' ', state('paused', 'short of memory')] : null),
    el('td', {}, silo.roles.join(', ')), marked('version', silo.version), el('td', {}, time(silo.start.slice(0, 19) + 'Z')),
    el('td', {}, silo.ingests.map(part => part.source + ' ' + part.partitions.join(', ')).join('; ') || '–',
      silo.slice_count ? [el('br'), 'slices ' + (silo.slices.join(', ') || 'none') + ' of ' + silo.slice_count] : null),
    marked('definitions', el('code', {}, silo.definitions), silo.differs.includes('calls') ? [el('br'), 'not to be called by this one'] : null),
    marked('models', models.map(([text, hash], index) => [index ? el('br') : null, text, hash ? el('code', { class: 'quiet' }, ' ' + hash.slice(0, 12)) : null]).flat()),
    number(count(total('active'))), number(bytes(total('size_bytes'))),
    number(`${bytes(silo.memory.used_bytes)} of ${bytes(silo.memory.limit_bytes)}`), number(duration(silo.age_ms) + ' ago'));
}

setInterval(() => { if (!$('silos').hidden) loadSilos(); }, 5000);

// ---- dead letters ----

let lettersShown = -1;

async function loadLetters() {
  let answer;
  try {
    answer = await get('/v1/dead-letters?limit=100');
  } catch (error) {
    show('letters-list', failure(error.message));
    return;
  }
  lettersShown = answer.total;
  $('letters-note').textContent = answer.total ? `the newest ${answer.dead_letters.length} of ${count(answer.total)} since the process started` : '';
  const open = new Set([...document.querySelectorAll('.letter[open]')].map(node => node.dataset.position));
  show('letters-list', answer.dead_letters.length ? el('div', { class: 'stack' }, answer.dead_letters.map(letter => letterNode(letter, open)))
    : empty('No dead letter since the process started.'));
}

function letterNode(letter, open) {
  const payload = letter.value ?? (letter.value_base64 + '\n(base64: not UTF-8)');
  const cut = letter.value != null && new TextEncoder().encode(letter.value).length < letter.value_length;
  const node = el('details', { class: 'panel letter', open: open.has(letter.position) },
    el('summary', {}, el('span', { class: 'quiet' }, time(letter.time)), state('paused', letter.rule), el('span', { class: 'reason' }, letter.reason), el('code', { class: 'quiet' }, letter.position)),
    el('p', { class: 'tags' }, el('span', {}, 'source ', el('b', {}, letter.source)), el('span', {}, 'key ', el('b', {}, letter.key ?? letter.key_base64 ?? 'none')),
      el('span', {}, 'size ', el('b', {}, bytes(letter.value_length) + (cut ? ', cut here' : '')))),
    el('pre', { tabindex: '0', 'aria-label': 'Value' }, payload));
  node.dataset.position = letter.position;
  return node;
}

$('letters-refresh').addEventListener('click', loadLetters);

// ---- tabs ----

const tabs = [...document.querySelectorAll('[role="tab"]')];

function select(tab, focus) {
  for (const other of tabs) {
    const chosen = other === tab;
    other.setAttribute('aria-selected', String(chosen));
    other.tabIndex = chosen ? 0 : -1;
    $(other.getAttribute('aria-controls')).hidden = !chosen;
  }
  if (focus) tab.focus();
  const name = tab.getAttribute('aria-controls');
  history.replaceState(null, '', name === 'overview' ? '/' : '#' + name);
  if (name === 'letters') loadLetters();
  if (name === 'silos') loadSilos();
  if (name === 'overview') draw();
}

tabs.forEach((tab, index) => {
  tab.addEventListener('click', () => select(tab));
  tab.addEventListener('keydown', event => {
    const to = { ArrowRight: index + 1, ArrowLeft: index - 1, Home: 0, End: tabs.length - 1 }[event.key];
    if (to == null) return;
    event.preventDefault();
    select(tabs[(to + tabs.length) % tabs.length], true);
  });
});

buildCharts();
draw();
addEventListener('resize', draw);
loadDefinitions();
listen();
select(tabs.find(tab => '#' + tab.getAttribute('aria-controls') === location.hash) ?? tabs[0]);

// Reads reports with the published library of OHIF, as OHIF does when it takes measurements over from a report.
// node hydrate.mjs PLANES.json prints JSON: for each report what became of it. PLANES.json has, for each report, the
// imagePlaneModule of its images by SOP Instance UID.
import { readFileSync } from 'node:fs';
import { register } from 'node:module';

register('./modules.mjs', import.meta.url);

const said = [];
console.warn = (...words) => said.push(words.map(word => word?.stack ?? word?.message ?? String(word)).join(' '));

const { default: dcmjs } = await import('dcmjs');
const { metaData } = await import('@cornerstonejs/core');
const { adaptersSR } = await import('@cornerstonejs/adapters');
const { MeasurementReport, Length } = adaptersSR.Cornerstone3D;

const reports = JSON.parse(readFileSync(process.argv[2], 'utf8'));
let planes = {};
// An image is named by its SOP Instance UID; the library asks for "UID:frame".
const imageIds = new Proxy({}, { get: (_, key) => String(key).split(':')[0] });
const get = (type, imageId) => (type === 'imagePlaneModule' ? planes[imageId] : undefined);
metaData.addProvider(get);

function read(file) {
  const bytes = readFileSync(file);
  const buffer = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
  return dcmjs.data.DicomMetaDictionary.naturalizeDataset(dcmjs.data.DicomMessage.readFile(buffer).dict);
}

function line(state) {
  const { data, metadata } = state.annotation;
  const [stats = {}] = Object.values(data.cachedStats);
  return {
    uid: state.TrackingUniqueIdentifier,
    site: [state.findingSites].flat(2)[0]?.CodeMeaning,
    points: data.handles.points.map(point => Array.from(point)),
    image: metadata.referencedImageId ?? null,
    frame: metadata.FrameOfReferenceUID,
    length: stats.length ?? null,
    unit: stats.unit ?? null,
  };
}

function hydrate(file) {
  said.length = 0;
  planes = reports[file];
  const dataset = read(file);
  const provider = { get };
  const unasked = MeasurementReport.generateToolState(dataset, imageIds, provider);
  const warnings = [...said];
  // What a viewer does whose configuration tells it that each vertebra's first number is a length with a line.
  const asked = MeasurementReport.generateToolState(dataset, imageIds, provider, { getToolClass: () => Length });
  return {
    unasked: Object.fromEntries(Object.entries(unasked).map(([tool, found]) => [tool, found.length])),
    warnings,
    lines: (asked.Length ?? []).map(line),
    left: said.length - warnings.length,
  };
}

console.log(JSON.stringify(Object.fromEntries(Object.keys(reports).map(file => [file, hydrate(file)]))));

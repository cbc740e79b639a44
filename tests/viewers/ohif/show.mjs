// Opens a study in OHIF and shows each of its series, one after the other.
// node show.mjs CHROMIUM URL FOLDER NAME [MODALITY...] prints JSON: for each series what OHIF made of it. A picture of each
// goes to FOLDER/NAME-MODALITY-SERIES.png. The viewer's own services are asked, so nothing is guessed from pixels.
import { chromium } from 'playwright-core';

const [, , executablePath, url, folder, name, ...modalities] = process.argv;
const LOADED_MS = 60_000;
const DRAWN_MS = 4_000;
const LINES_MS = 20_000;
const SETTLED_MS = 1_000;

const browser = await chromium.launch({
  executablePath,
  args: ['--no-sandbox', '--use-angle=swiftshader', '--enable-unsafe-swiftshader', '--ignore-gpu-blocklist'],
});
const page = await browser.newPage({ viewport: { width: 1500, height: 950 } });
const failures = [];
page.on('pageerror', error => failures.push(String(error.stack ?? error)));

// Series as OHIF lists them; runs in the page, as the two below.
const listed = () =>
  window.services.displaySetService.getActiveDisplaySets().map(set => ({
    modality: set.Modality,
    number: set.SeriesNumber,
    uid: set.displaySetInstanceUID,
    supported: !set.unsupported,
  }));

const show = uid => {
  const grid = window.services.viewportGridService;
  grid.setDisplaySetsForViewport({ viewportId: grid.getActiveViewportId(), displaySetInstanceUIDs: [uid] });
};

const seen = uid => {
  const { displaySetService, viewportGridService, cornerstoneViewportService } = window.services;
  const set = displaySetService.getDisplaySetByUID(uid);
  const viewport = cornerstoneViewportService.getCornerstoneViewport(viewportGridService.getActiveViewportId());
  const image = viewport?.getCurrentImageId?.() ?? null;
  // Lines as they stand on the screen, in its pixels to one decimal.
  const lines = Array.from(document.querySelectorAll('svg polyline'), line => line.getAttribute('points').trim());
  const onScreen = point => viewport.worldToCanvas(point).map(value => value.toFixed(1)).join(', ');
  const annotations = window.cornerstoneTools.annotation.state.getAllAnnotations();
  return {
    image,
    measurements: (set.measurements ?? []).map(one => {
      const made = annotations.find(each => each.annotationUID === one.TrackingUniqueIdentifier);
      const [[kind, [points]] = [null, [[]]]] = Object.entries(made?.data.renderableData ?? {});
      return {
        name: one.TrackingIdentifier,
        labels: one.labels,
        loaded: one.loaded,
        kind,
        points: points.map(point => Array.from(point)),
        image: made?.metadata.referencedImageId ?? null,
        isDrawn: points.length > 0 && lines.includes(points.map(onScreen).join(' ')),
        written: document.querySelector(`[data-annotation-uid="${one.TrackingUniqueIdentifier}"]`)?.textContent ?? '',
      };
    }),
    isHydratable: set.isRehydratable ?? null,
  };
};

const shown = [];
try {
  await page.goto(url);
  await page.getByText('Skip all').click({ timeout: LOADED_MS });
  await page.waitForFunction(() => window.services?.displaySetService.getActiveDisplaySets().length > 0);
  await page.waitForTimeout(DRAWN_MS);
  for (const set of await page.evaluate(listed)) {
    if (!modalities.includes(set.modality)) {
      continue;
    }
    await page.evaluate(show, set.uid);
    await page.waitForTimeout(DRAWN_MS);
    // What OHIF catches itself it tells the reader, for a few seconds.
    if (await page.evaluate(() => document.body.innerText.includes('Something went wrong'))) {
      failures.push(`${set.modality} ${set.number}: something went wrong`);
    }
    if (set.modality === 'SR') {
      // A loaded machine needs longer; a report of which OHIF draws nothing costs the whole time.
      await page.waitForSelector('[data-annotation-uid]', { state: 'attached', timeout: LINES_MS }).catch(() => {});
      await page.waitForTimeout(SETTLED_MS);
    }
    await page.screenshot({ path: `${folder}/${name}-${set.modality}-${set.number}.png` });
    shown.push({ ...set, ...(await page.evaluate(seen, set.uid)) });
  }
} finally {
  await browser.close();
}
console.log(JSON.stringify({ shown, failures }));

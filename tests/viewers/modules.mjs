// Packages that ship ES modules in .js without saying so load in Node 22 as they are; Node 18 and 20 need to be told.
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

export async function load(url, context, next) {
  if (url.startsWith('file:') && url.endsWith('.js') && context.format !== 'module') {
    const source = await readFile(fileURLToPath(url), 'utf8');
    if (/^(import|export)\b/m.test(source)) {
      return { format: 'module', source, shortCircuit: true };
    }
  }
  return next(url, context);
}

// The build of the dashboard. The rule: everything the page needs lies in dist/, compressed once here,
// so that the server only copies bytes.

import { brotliCompressSync, constants, gzipSync } from 'node:zlib';
import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig, type Plugin } from 'vite';

/** Writes FILE.gz and FILE.br beside every text file. */
function compressed(): Plugin {
  return {
    name: 'compressed',
    apply: 'build',
    generateBundle: {
      order: 'post',
      handler(_, bundle) {
        for (const file of Object.values(bundle)) {
          if (!/\.(js|css|html|svg)$/.test(file.fileName)) continue;
          const source = Buffer.from(file.type === 'chunk' ? file.code : file.source);
          const best = {
            params: { [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY },
          };
          const packed = {
            gz: gzipSync(source, { level: 9 }),
            br: brotliCompressSync(source, best),
          };
          for (const [ending, bytes] of Object.entries(packed)) {
            this.emitFile({ type: 'asset', fileName: `${file.fileName}.${ending}`, source: bytes });
          }
        }
      },
    },
  };
}

/** Where `npm run dev` finds a running node. */
const node = process.env.SHIMMER_URL ?? 'http://127.0.0.1:8080';
const routes =
  '^/(snapshot|fractal|stream|metrics|health|ready|api|federated|dao|openapi.json|docs)';

export default defineConfig({
  base: '/ui/',
  plugins: [svelte(), compressed()],
  build: { target: 'es2022', assetsInlineLimit: 0, modulePreload: { polyfill: false } },
  server: { proxy: { [routes]: { target: node, ws: true, changeOrigin: true } } },
});

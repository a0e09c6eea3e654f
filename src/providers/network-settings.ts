import type { NetworkSettings } from "./provider-settings.ts";

/** The way to any server, as the environment has it. */
export function networkSettings(config: { readonly EMBED_CA_FILE?: string | undefined }): NetworkSettings {
  return {
    caFile: config.EMBED_CA_FILE,
    proxy: {
      https: process.env["HTTPS_PROXY"] ?? process.env["https_proxy"],
      http: process.env["HTTP_PROXY"] ?? process.env["http_proxy"],
      except: process.env["NO_PROXY"] ?? process.env["no_proxy"],
    },
  };
}

# Two stages, so that neither the compiler nor the tests are in the image that runs.
FROM node:22-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --ignore-scripts
COPY tsconfig.json tsconfig.build.json ./
COPY src ./src
RUN npm run build && npm prune --omit=dev --ignore-scripts

FROM node:22-bookworm-slim
# glibc gives memory back that the threads which compile WebAssembly have used.
ENV NODE_ENV=production EMBED_DATA_DIR=/data MALLOC_TRIM_THRESHOLD_=131072
WORKDIR /app
COPY --from=build /app/package.json ./
COPY --from=build /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
COPY migrations ./migrations
RUN mkdir /data && chown node:node /data
USER node
VOLUME /data
# Alive is who answers. Without EMBED_HTTP_PORT nothing is served, and the process itself is all there is to see.
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s \
  CMD ["node", "-e", "const p=process.env.EMBED_HTTP_PORT;if(p)fetch(`http://127.0.0.1:${p}/healthz`).then(r=>process.exit(r.ok?0:1),()=>process.exit(1))"]
# Not through npm: signals reach the listener itself.
ENTRYPOINT ["node", "dist/cli.js"]
CMD ["start"]

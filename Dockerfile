# Two stages: the compiler and the development packages stay in the first one.

FROM node:24-slim AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci
COPY tsconfig.json tsconfig.build.json ./
COPY scripts ./scripts
COPY src ./src
RUN npm run build

FROM node:24-slim
WORKDIR /app
ENV NODE_ENV=production
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev && npm cache clean --force
COPY --from=build /app/dist ./dist

# In a container 127.0.0.1 would be reachable from nowhere else. So it does not start before it is told who may do what
# (docs/access.md), or by CHORD_ALLOW_ANONYMOUS=true that everybody may do everything.
ENV CHORD_HOST=0.0.0.0
EXPOSE 4000
# The directory of the store, and the only one here that this user may write: for the exporter "file" mount a volume and
# name it by CHORD_EXPORT_DIR.
ENV CHORD_DATA_DIR=/data
RUN mkdir -m 700 /data && chown node:node /data
VOLUME /data
# A user without rights, which the base image brings along. The files stay root's: the server cannot change itself.
USER node
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.CHORD_PORT || 4000}/live`).then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
# Not through npm: node itself must receive SIGTERM. A chord.config.js mounted at /app is found.
CMD ["node", "dist/main.js"]

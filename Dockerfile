# Three stages: the compiler, the development packages and npm's cache stay in the first two.

# Debian, not Alpine: the lock on the data directory of lmdb comes as a binary for glibc.
FROM node:24-slim AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci
COPY tsconfig.json tsconfig.build.json ./
COPY scripts ./scripts
COPY src ./src
RUN npm run build

FROM node:24-slim AS packages
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
# What only programmers read is a third of them.
RUN npm ci --omit=dev && find node_modules -type f \( -name '*.map' -o -name '*.ts' \) -delete

FROM node:24-slim
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Chord" \
  org.opencontainers.image.description="Server for live shared state over GraphQL" \
  org.opencontainers.image.licenses="MIT" \
  org.opencontainers.image.revision="$REVISION"
WORKDIR /app
ENV NODE_ENV=production
COPY package.json ./
COPY --from=packages /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist

# In a container 127.0.0.1 would be reachable from nowhere else. So it does not start before it is told who may do what
# (docs/access.md), or by CHORD_ALLOW_ANONYMOUS=true that everybody may do everything.
ENV CHORD_HOST=0.0.0.0
EXPOSE 4000
# The directory of the store, and the only one here that is written to: the rest of the file system may be read-only. For
# the exporter "file" mount a volume and name it by CHORD_EXPORT_DIR.
ENV CHORD_DATA_DIR=/data
RUN mkdir -m 700 /data && chown 1000:1000 /data
VOLUME /data
# A user without rights, "node" in the base image; by number, since Kubernetes can tell only of a number that it is not
# root. The files stay root's: the server cannot change itself.
USER 1000:1000
# Finds out by itself whether there is TLS.
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s CMD ["node", "dist/health-check.js"]
# Not through npm: node itself must receive SIGTERM. A chord.config.js mounted at /app is found.
CMD ["node", "dist/main.js"]

# The release: Node and one bundle, run by nobody in particular. Build: docker build -t spiffe-sds:0.1.0 .
# For both architectures: docker buildx build --platform linux/amd64,linux/arm64 . (each compiles its own cache, so under emulation)
ARG NODE=docker.io/library/node:24.21.0-bookworm-slim

FROM ${NODE} AS build
RUN mkdir /src && chown 65532:65532 /src
WORKDIR /src
# The user of the final image: V8's compile cache is kept by uid.
USER 65532:65532
ENV HOME=/tmp/build
COPY --chown=65532:65532 package.json package-lock.json .npmrc buf.yaml buf.gen.yaml ./
COPY --chown=65532:65532 proto proto
RUN npm ci --no-audit --no-fund
COPY --chown=65532:65532 src src
COPY --chown=65532:65532 deploy/build.ts deploy/licenses.ts deploy/
# Root will own it, so that who runs the program cannot change it; Node writes the cache for its user alone, who must still read it.
RUN npm run build && chmod -R a+rX dist && mkdir -p root/run/spiffe-sds root/bin && ln -s /opt/spiffe-sds/main.js root/bin/spiffe-sds

# Nothing is run in this stage: the release makes it for every architecture, on any machine.
FROM ${NODE}
ARG NODE
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="spiffe-sds" \
      org.opencontainers.image.description="A sidecar that serves SPIFFE identities to Envoy over the Secret Discovery Service" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.base.name="${NODE}"
COPY --from=build --chown=0:0 /src/dist /opt/spiffe-sds
# An empty volume that is mounted here takes on this owner. The folder may be entered by all: the socket in it has a mode of its own, 0660.
COPY --from=build --chown=65532:65532 /src/root/run/spiffe-sds /run/spiffe-sds
COPY --from=build --chown=0:0 /src/root/bin /usr/local/bin
# Halves the memory that many streams leave behind.
ENV MALLOC_ARENA_MAX=1
USER 65532:65532
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s \
  CMD ["node", "/opt/spiffe-sds/main.js", "status", "--ready"]
ENTRYPOINT ["node", "--disable-sigusr1", "--max-semi-space-size=2", "/opt/spiffe-sds/main.js"]
CMD ["serve"]

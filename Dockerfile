# The release: Node and one bundle, run by nobody in particular. Build: docker build -t spiffe-sds .
FROM node:24.21.0-bookworm-slim AS build
WORKDIR /src
COPY package.json package-lock.json .npmrc buf.yaml buf.gen.yaml ./
COPY proto proto
COPY src src
COPY deploy/build.ts deploy/
RUN npm ci && npm run build

FROM node:24.21.0-bookworm-slim
COPY --from=build /src/dist /opt/spiffe-sds
# Halves the memory that many streams leave behind.
ENV MALLOC_ARENA_MAX=1
# Put the SDS socket on a volume that this user may write and Envoy (uid 101) may read: sds.group, or one uid for both.
USER 65532:65532
ENTRYPOINT ["node", "--disable-sigusr1", "--max-semi-space-size=2", "/opt/spiffe-sds/main.js"]
CMD ["serve"]

# One image for every service: the command decides which one runs.
#   docker build -t origan-edge .
#   docker run origan-edge node gateway/main.ts

FROM node:24.21.0-bookworm-slim AS dependencies
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev --no-audit --no-fund

FROM node:24.21.0-bookworm-slim
ENV NODE_ENV=production \
    ORIGAN_STATE_DIR=/var/lib/origan \
    WORKERS_PATH=/var/lib/origan/workers
RUN mkdir -p /var/lib/origan/workers && chown -R node:node /var/lib/origan
WORKDIR /app
COPY --from=dependencies /app/node_modules ./node_modules
COPY . .

# The sources belong to root and cannot be changed by what runs them; only the state directory can be written.
USER node
VOLUME /var/lib/origan

# The programs handle SIGTERM themselves (they drain, then exit), also as process 1.
STOPSIGNAL SIGTERM

# HEALTH_URL is set with the command: where this service says that it is alive.
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 CMD ["node", "docker/check-health.mjs"]

# 7777 HTTP, 7778 HTTPS, 7779 health and metrics of the gateway; 7780 control API; 9000 runner.
EXPOSE 7777 7778 7779 7780 9000
CMD ["node", "gateway/main.ts"]

# syntax=docker/dockerfile:1
# The sources run as they are: Node.js 24 strips their types.

FROM node:24-trixie-slim AS packages
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
COPY vendor ./vendor
RUN npm ci --omit=dev --no-audit --no-fund

FROM node:24-trixie-slim
LABEL org.opencontainers.image.title="tmcp-server" org.opencontainers.image.licenses="Apache-2.0"
ENV NODE_ENV=production TMCP_SERVER_HOST=0.0.0.0 TMCP_SERVER_DATA_DIR=/data TMCP_METRICS_HOST=0.0.0.0
WORKDIR /app
COPY --from=packages /app/node_modules ./node_modules
COPY package.json LICENSE ./
COPY vendor ./vendor
COPY schema ./schema
COPY config ./config
COPY src ./src
# The only place that is written to: run with --read-only and a volume here.
RUN install -d -o node -g node -m 0700 /data
USER node
VOLUME /data
EXPOSE 8627 9627
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=5s --start-period=20s --retries=4 CMD ["node", "-e", "fetch('http://127.0.0.1:8627/health/live').then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "--disable-warning=DEP0060", "--max-semi-space-size=4", "src/cli/main.js"]
CMD ["start"]

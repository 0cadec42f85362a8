FROM node:24-slim AS build
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --ignore-scripts
COPY . .
RUN npm run build

FROM node:24-slim
WORKDIR /app
# `docker stop` kills after 10 s. With a longer --stop-timeout, STOP_GRACE_S may be longer as well.
ENV NODE_ENV=production API_HOST=0.0.0.0 STOP_GRACE_S=8
COPY --from=build /app/package.json ./
COPY --from=build /app/dist ./dist
USER node
EXPOSE 6672
# The worker stub is the same image: command ["node", "dist/worker-stub/main.js"]
CMD ["node", "dist/src/main.js"]

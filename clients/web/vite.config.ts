import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

// The server is reached through the page's own origin, so that it needs to allow
// no other: ENGRAM_SERVER names one that is not at the default address.
const target = process.env["ENGRAM_SERVER"] ?? "http://127.0.0.1:50051";
const proxy = { "^/engram\\.v1\\.": { target, changeOrigin: true } };

export default defineConfig({
  plugins: [react()],
  server: { proxy },
  preview: { proxy },
});

// SPDX-License-Identifier: Apache-2.0
// Whether the server lives and is ready (docs/server.md).
#include "server/api.h"

namespace cairn::server {
namespace {

void Live(const CallRef& call) { call->Json(200, boost::json::object{{"status", "ok"}}); }

void IsReady(const CallRef& call) {
  if (call->api.draining()) return call->Fail(503, "the server is shutting down");
  if (!call->api.models.ready()) return call->Fail(503, "the model is being loaded; try again");
  Live(call);
}

}  // namespace

std::vector<Route> HealthRoutes() {
  return {{"GET", "/health", IsReady, true},
          {"GET", "/health/live", Live, true},
          {"GET", "/health/ready", IsReady, true}};
}

}  // namespace cairn::server

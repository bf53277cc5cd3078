// SPDX-License-Identifier: Apache-2.0
// The table of all routes: a dialect is one line here.
#include "server/api.h"

namespace cairn::server {

std::vector<Route> AllRoutes() {
  std::vector<Route> all;
  for (const auto routes : {OpenAiRoutes, ResponsesRoutes, StoredResponseRoutes, AnthropicRoutes,
                            OllamaRoutes, LlamaRoutes, EmbeddingRoutes, TokenRoutes, HealthRoutes,
                            MetricsRoutes, StreamRoutes, BatchRoutes, PageRoutes}) {
    const std::vector<Route> some = routes();
    all.insert(all.end(), some.begin(), some.end());
  }
  return all;
}

}  // namespace cairn::server

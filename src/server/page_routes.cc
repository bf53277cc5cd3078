// SPDX-License-Identifier: Apache-2.0
// The web page (docs/page.md). It is open, since it holds nothing: what it shows it asks of the
// API, with the user's key.
#include <algorithm>

#include "server/api.h"
#include "server/page_assets.h"

namespace cairn::server {
namespace {

// Only what the program itself carries runs or is fetched, and no other site may frame the page.
constexpr std::string_view kPolicy =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "worker-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

void Send(const CallRef& call, std::string_view name) {
  const auto asset = std::ranges::find(PageAssets(), name, &PageAsset::name);
  if (asset == PageAssets().end()) return call->Fail(404, "the page has no such file");
  http::Response response{.type = std::string(asset->type)};
  response.headers = {{"ETag", std::string(asset->tag)},
                      {"Cache-Control", "no-cache"},
                      {"Content-Security-Policy", std::string(kPolicy)},
                      {"X-Content-Type-Options", "nosniff"},
                      {"Referrer-Policy", "no-referrer"}};
  if (call->request().Header("if-none-match") == asset->tag) {
    response.status = 304;
    response.type.clear();
  } else {
    response.headers.emplace_back("Content-Encoding", "gzip");  // as every browser reads it
    response.body = asset->gzip;
  }
  call->exchange->Respond(std::move(response));
}

// Browsers ask for HTML by name. Programs that look for an Ollama here know it by this text.
void Root(const CallRef& call) {
  if (call->request().Header("accept").find("text/html") != std::string_view::npos) {
    return Send(call, "index.html");
  }
  call->exchange->Respond({.type = "text/plain; charset=utf-8", .body = "Ollama is running"});
}
void File(const CallRef& call) { Send(call, call->rest); }

}  // namespace

std::vector<Route> PageRoutes() {
  return {{"GET", "/", Root, true}, {"GET", "/page/*", File, true}};
}

}  // namespace cairn::server

// SPDX-License-Identifier: Apache-2.0
// Between connections and routes: who may ask, what for, and a record of it.
//
// Order of the checks: Host, Origin, key, route, method. So without a key nobody learns which
// routes exist, but for the form of the refusal, which is that of the path's API. Paths are
// compared as they are once percent-decoded; there is no other spelling. Threads: the event loop's.
// Test: tests/e2e/test_serve.py.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "http/exchange.h"
#include "server/api.h"
#include "server/keys.h"

namespace cairn::server {

// A request that has ended, for a log. Nothing of bodies, keys or queries.
struct AccessRecord {
  std::string id, tenant, peer, method, path, trace;
  http::Outcome outcome;
};

class Front final : public http::Handler {
 public:
  // `log` may be empty. The Api must outlive it.
  Front(Api& api, std::vector<Route> routes, std::function<void(const AccessRecord&)> log);

  // Keys that are needed from now on; null: none are.
  void SetKeys(std::shared_ptr<const Keys> keys) { keys_ = std::move(keys); }

  std::optional<http::Response> Refuse(const http::Request& request) override;
  void Handle(std::shared_ptr<http::Exchange> exchange) override;
  http::Response Refusal(int status, std::string message) override;

 private:
  const Route* Find(std::string_view path, std::string_view method, bool* known) const;
  bool HostIsGood(const http::Request& request) const;
  bool OriginIsGood(const http::Request& request) const;
  // Of the request's key; null: it has none that is valid. Where none is needed, one without a
  // name.
  std::shared_ptr<const KeyHolder> HolderOf(const http::Request& request) const;
  http::Response Refused(const http::Request& request, int status, std::string message);
  http::Response RefusalIn(ErrorForm form, int status, std::string message);
  std::string MethodsAt(std::string_view path) const;  // for the header Allow

  Api& api_;
  const std::vector<Route> routes_;
  const std::function<void(const AccessRecord&)> log_;
  std::shared_ptr<const Keys> keys_;
};

}  // namespace cairn::server

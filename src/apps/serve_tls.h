// SPDX-License-Identifier: Apache-2.0
// The certificate of `cairn serve`: its options and its files.
// Threads: the main thread, or the event loop.
#pragma once

#include <memory>
#include <string>

#include "base/error.h"
#include "http/tls.h"

namespace CLI {
class App;
}

namespace cairn::apps {

struct TlsFiles {
  std::string certificate, key;

  bool given() const { return !certificate.empty(); }
};

void AddTls(CLI::App& command, TlsFiles& files, const char* group);
// Errors: kNotFound, kIo, kInvalidArgument; they name the file.
[[nodiscard]] Result<std::shared_ptr<http::Tls>> ReadTls(const TlsFiles& files);

}  // namespace cairn::apps

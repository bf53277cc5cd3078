// SPDX-License-Identifier: Apache-2.0
#include "apps/serve_tls.h"

#include <fmt/format.h>

#include "apps/options.h"
#include "apps/text.h"

namespace cairn::apps {

void AddTls(CLI::App& command, TlsFiles& files, const char* group) {
  CLI::Option* certificate =
      command
          .add_option("--tls-cert", files.certificate,
                      "A certificate in PEM, with those that vouch for it: HTTPS alone is spoken")
          ->type_name("FILE")
          ->check(NotEmpty())
          ->group(group)
          ->excludes("--unix-socket");
  CLI::Option* key = command.add_option("--tls-key", files.key, "Its key in PEM, not encrypted")
                         ->type_name("FILE")
                         ->check(NotEmpty())
                         ->group(group);
  certificate->needs(key);
  key->needs(certificate);
}

Result<std::shared_ptr<http::Tls>> ReadTls(const TlsFiles& files) {
  const std::string certificate = OR_RETURN(ReadTextFile(files.certificate));
  const std::string key = OR_RETURN(ReadTextFile(files.key));
  auto tls = http::Tls::Make(certificate, key);
  if (tls) return tls;
  return std::unexpected(
      std::move(tls).error().Within(fmt::format("'{}' and '{}'", files.certificate, files.key)));
}

}  // namespace cairn::apps

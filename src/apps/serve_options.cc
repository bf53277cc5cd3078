// SPDX-License-Identifier: Apache-2.0
#include "apps/serve_options.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>

#include "apps/options.h"

namespace cairn::apps {
namespace {

constexpr const char* kNetwork = "Network";
constexpr const char* kBounds = "Limits";

bool IsLoopback(const std::string& host) {
  return host == "localhost" || host == "127.0.0.1" || host == "::1";
}

void AddNumber(CLI::App& command, const char* name, std::int64_t& value, std::int64_t most,
               const char* help, const char* group) {
  command.add_option(name, value, help)
      ->type_name("N")
      ->check(WholeNumber(1, most))
      ->group(group)
      ->capture_default_str();
}

void AddSize(CLI::App& command, const char* name, std::size_t& bytes, const char* least,
             const char* most, const char* now, const char* help) {
  command
      .add_option_function<std::string>(
          name, [&bytes](const std::string& text) { bytes = ParseByteSize(text); }, help)
      ->type_name("SIZE")
      ->default_str(now)
      ->check(ByteSizeIn(least, most))
      ->group(kBounds);
}

void AddNetwork(CLI::App& command, ServeOptions& o) {
  command.add_option("--host", o.host, "Address or name to listen on")
      ->type_name("HOST")
      ->check(NotEmpty())
      ->group(kNetwork)
      ->capture_default_str();
  command.add_option("--port", o.port, "Port to listen on; 0: a free one, which is told")
      ->type_name("N")
      ->check(WholeNumber(0, 65535))
      ->group(kNetwork)
      ->capture_default_str();
  command
      .add_option("--unix-socket", o.unix_socket, "A Unix socket for this user, in place of a port")
      ->type_name("PATH")
      ->check(NotEmpty())
      ->group(kNetwork);
  AddTls(command, o.tls, kNetwork);
  command
      .add_option("--api-key-file", o.key_file,
                  "Keys that are let in: a name and the SHA-256 of a key on each line")
      ->type_name("FILE")
      ->check(NotEmpty())
      ->group(kNetwork);
  command.add_flag("--no-key", o.no_key, "Let everybody in, also from other machines")
      ->group(kNetwork);
  command
      .add_option("--allow-host", o.server.hosts,
                  "A name that requests may know this server by; may be given again; *: any")
      ->type_name("NAME")
      ->allow_extra_args(false)
      ->group(kNetwork);
  command
      .add_option("--allow-origin", o.server.origins,
                  "Pages of this origin may use it (https://example.org); may be given again")
      ->type_name("ORIGIN")
      ->allow_extra_args(false)
      ->group(kNetwork);
}

void AddBounds(CLI::App& command, ServeOptions& o) {
  constexpr std::int64_t kDay = 86'400;
  AddNumber(command, "--queue", o.queue, 1 << 20, "Answers that may wait for a place; more get 429",
            kBounds);
  command
      .add_option("--max-connections", o.server.http.connections, "Connections at the same time")
      ->type_name("N")
      ->check(WholeNumber(1, 100'000))
      ->group(kBounds)
      ->capture_default_str();
  http::HttpLimits& http = o.server.http;
  AddSize(command, "--max-body", http.body_bytes, "1", "16M", "16M", "Longest body of a request");
  AddSize(command, "--max-bodies", http.bodies_bytes, "1M", "1T", "256M",
          "Bodies of all requests that are read or answered; past it 503");
  AddSize(command, "--max-headers", http.header_bytes, "1K", "1M", "32K",
          "Longest request line and headers");
  AddSize(command, "--max-unread", http.unsent_bytes, "64K", "1G", "1M",
          "What a client may leave unread of a stream, beside the system's buffers");
  AddNumber(command, "--header-seconds", o.header_seconds, kDay, "Time for a request's headers",
            kBounds);
  AddNumber(command, "--body-seconds", o.body_seconds, kDay, "Time for a request's body", kBounds);
  AddNumber(command, "--idle-seconds", o.idle_seconds, kDay, "Time between two requests", kBounds);
  AddNumber(command, "--write-seconds", o.write_seconds, kDay,
            "Time a client may leave an answer unread", kBounds);
  AddNumber(command, "--request-seconds", o.request_seconds, kDay, "Time for a whole answer",
            kBounds);
  AddNumber(command, "--drain-seconds", o.drain_seconds, kDay,
            "Time for answers to finish once it is told to end", kBounds);
  AddNumber(command, "--unload-seconds", o.unload_seconds, kDay,
            "A model that nobody used for so long is unloaded; the first one stays", kBounds);
}

}  // namespace

void AddServeOptions(CLI::App& command, ServeOptions& o) {
  command
      .add_option("MODEL", o.models,
                  "Short names, paths, or files of the model folder. The first is loaded at once, "
                  "the others when they are asked for; none: all of the folder")
      ->type_name("");
  // Read before the command line is parsed (serve_settings.h).
  command
      .add_option("--config", o.config,
                  "A TOML file of settings: NAME = VALUE, with the names of these options, and "
                  "models = [\"NAME\", ...]. The command line wins over it, it wins over the "
                  "environment (CAIRN_SERVE_PORT for --port)")
      ->type_name("FILE")
      ->check(NotEmpty());
  AddNetwork(command, o);
  AddBounds(command, o);
  AddParallel(command, o.parallel);
  command
      .add_option("--chat-template", o.chat_template,
                  "A file with a Jinja chat template, in place of the models' own")
      ->type_name("FILE");
  command.add_option("--log", o.log, "Requests on standard error: text, json or off")
      ->type_name("HOW")
      ->check(CLI::IsMember({"text", "json", "off"}))
      ->capture_default_str();
  command
      .add_option("--files", o.files,
                  "A folder of its own for what clients upload and for batches; without it there "
                  "are none")
      ->type_name("FOLDER")
      ->check(NotEmpty());
  command
      .add_option_function<std::string>(
          "--files-size", [&o](const std::string& text) { o.files_size = ParseByteSize(text); },
          "Most bytes of all files together")
      ->type_name("SIZE")
      ->default_str("1G")
      ->check(ByteSize());
  command
      .add_option_function<std::string>(
          "--responses-size",
          [&o](const std::string& text) { o.server.responses_bytes = ParseByteSize(text); },
          "Most bytes of responses that are stored for clients of /v1/responses, in memory; 0: "
          "none is")
      ->type_name("SIZE")
      ->default_str("64M")
      ->check(ByteSizeOrZero());
  AddContext(command, o.context,
             "Tokens a prompt and its answer may have together (default: what the model has and "
             "memory fits)");
  AddKv(command, o.kv);
  AddKvMemory(command, o.kv_memory);
  command
      .add_option_function<std::string>(
          "--memory", [&o](const std::string& text) { o.memory = ParseByteSize(text); },
          "Memory of all loaded models together, weights and keys and values; one that does not "
          "fit has idle ones unloaded, and --kv-memory is a quarter of it if not given")
      ->type_name("SIZE")
      ->check(ByteSize());
  AddKvBackend(command, o.kv_backend);
  AddPropose(command, o.propose);
  AddThreads(command, o.threads);
  AddPin(command, o.pinned);
}

Result<void> CheckExposure(const ServeOptions& o) {
  if (IsLoopback(o.host) || !o.key_file.empty() || o.no_key) return {};
  return Fail(ErrorCode::kInvalidArgument,
              fmt::format("--host {} lets other machines in: give --api-key-file FILE, or --no-key "
                          "if everybody who reaches it may use it",
                          o.host));
}

server::ServerOptions ServerOptionsOf(const ServeOptions& o) {
  using std::chrono::seconds;
  server::ServerOptions server = o.server;
  server.http.header = seconds(o.header_seconds);
  server.http.body = seconds(o.body_seconds);
  server.http.idle = seconds(o.idle_seconds);
  server.http.write = seconds(o.write_seconds);
  server.request = seconds(o.request_seconds);
  server.drain = seconds(o.drain_seconds);
  server.idle_unload = seconds(o.unload_seconds);
  server.memory = o.memory;
  server.scheduler.sequences = o.parallel;
  server.scheduler.waiting = o.queue;
  server.scheduler.propose = o.propose;
  if (!IsLoopback(o.host)) server.hosts.push_back(o.host);
  // Listening everywhere, every name of this machine is a right one; the key protects.
  if (o.host == "0.0.0.0" || o.host == "::") server.hosts.push_back("*");
  return server;
}

}  // namespace cairn::apps

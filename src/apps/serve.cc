// SPDX-License-Identifier: Apache-2.0
// cairn serve: models over HTTP.
#include <fmt/format.h>

#include <boost/asio/signal_set.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <csignal>
#include <ctime>
#include <filesystem>

#include "apps/access_log.h"
#include "apps/command.h"
#include "apps/embed_options.h"
#include "apps/open.h"
#include "apps/options.h"
#include "apps/serve_settings.h"
#include "apps/text.h"
#include "model/architectures.h"
#include "model/folder.h"
#include "server/service.h"

namespace cairn::apps {
namespace {

constexpr const char* kNetwork = "Network";
constexpr const char* kBounds = "Limits";

struct ServeOptions {
  std::vector<std::string> models;
  std::string config;
  std::string host = "127.0.0.1";
  int port = 8080;
  std::string unix_socket;
  std::string key_file;
  bool no_key = false;
  int parallel = 8;
  std::int64_t queue = 256;
  std::string chat_template;
  std::int64_t context = 0;
  int threads = 0;
  kernels::KvFormat kv = kernels::KvFormat::kF16;
  std::size_t kv_memory = 0;
  std::size_t memory = 0;
  kv::KvBackend kv_backend = kv::KvBackend::kArena;
  bool propose = true;
  bool pinned = false;
  std::string log = "text";
  std::string files;
  std::size_t files_size = std::size_t{1} << 30;
  std::size_t max_body = std::size_t{16} << 20;
  std::int64_t header_seconds = 10, body_seconds = 60, idle_seconds = 75, write_seconds = 30;
  std::int64_t request_seconds = 600, drain_seconds = 30, unload_seconds = 900;
  server::ServerOptions server;
};

bool IsLoopback(const std::string& host) {
  return host == "localhost" || host == "127.0.0.1" || host == "::1";
}

// What requests and responses call a model.
std::string NameOf(const std::string& model) {
  namespace fs = std::filesystem;
  if (model.ends_with(".gguf")) return fs::path(model).stem().string();
  std::error_code ignored;
  if (!fs::is_directory(model, ignored)) return model;
  const fs::path folder = fs::absolute(model).lexically_normal();
  return (folder.has_filename() ? folder : folder.parent_path()).filename().string();
}

Result<std::shared_ptr<const server::Keys>> ReadKeys(const std::string& path) {
  const std::string text = OR_RETURN(ReadTextFile(path));
  auto keys = server::Keys::Parse(text);
  if (!keys) return std::unexpected(std::move(keys).error().Within("'" + path + "'"));
  return std::make_shared<const server::Keys>(*std::move(keys));
}

struct FoundSources {
  std::vector<server::ModelSource> models;
  std::vector<server::EmbedderSource> embedders;
};

// What a file tells of itself; one that cannot be read tells nothing, and why once it is opened.
struct Told {
  bool makes_embeddings = false;
  std::uint64_t bytes = 0;
};
Told LookInto(const std::string& path) {
  const auto opened = model::OpenModelFile(path);
  if (!opened) return {};
  return {model::IsForEmbeddings(opened->gguf), opened->gguf.file_bytes()};
}

// Those of the command line, pulled where they must be; else all of the folder.
Result<FoundSources> Sources(const ServeOptions& o, Console& console) {
  OR_RETURN(ChosenIsa());  // before a model is pulled
  std::string chat_template;
  if (!o.chat_template.empty()) chat_template = OR_RETURN(ReadTemplateFile(o.chat_template));
  std::vector<std::pair<std::string, std::string>> found;  // name, path
  for (const std::string& model : o.models) {
    found.emplace_back(NameOf(model), OR_RETURN(FindModel(model, console)));
  }
  if (o.models.empty()) {
    const model::Store store = OR_RETURN(OpenStore());
    for (const auto& file : OR_RETURN(store.List()))
      found.emplace_back(NameOf(file.file), file.path);
  }
  if (found.empty()) {
    return Fail(ErrorCode::kNotFound,
                "there is no model to serve: `cairn serve smollm2` fetches a small one");
  }
  // Under a bound for all models none may take half of the machine.
  const std::size_t kv_memory = o.memory > 0 && o.kv_memory == 0 ? o.memory / 4 : o.kv_memory;
  const EngineWish wish{.threads = o.threads,
                        .kv = o.kv,
                        .kv_memory = kv_memory,
                        .kv_backend = o.kv_backend,
                        .context = o.context,
                        .step_sequences = o.parallel,
                        .pinned = o.pinned};
  FoundSources sources;
  for (const auto& [name, path] : found) {
    const Told told = LookInto(path);
    if (told.makes_embeddings) {
      const EmbedderChoice choice{.threads = o.threads, .pinned = o.pinned};
      const auto open = [path = path, choice] { return OpenEmbedderOf(path, choice); };
      sources.embedders.push_back({.id = name, .open = open});
      continue;
    }
    const auto open = [path = path, wish] { return OpenEngineOf(path, wish); };
    sources.models.push_back({.id = name,
                              .path = path,
                              .bytes = told.bytes + kv_memory,
                              .open = open,
                              .chat_template = chat_template});
  }
  return sources;
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
  server.http.body_bytes = o.max_body;
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

// SIGTERM and SIGINT drain, a second one ends; SIGHUP reads the keys again.
void Watch(boost::asio::signal_set& signals, server::Service& service, const ServeOptions& o,
           Console& console) {
  signals.async_wait([&](const boost::system::error_code& error, int signal) {
    if (error) return;
    if (signal != SIGHUP) {
      console.Note("shutting down; answers under way may finish");
      service.Stop();
    } else if (!o.key_file.empty()) {
      auto keys = ReadKeys(o.key_file);
      if (keys) service.SetKeys(*keys);
      console.Note(keys ? fmt::format("{} keys read", (*keys)->size())
                        : "the old keys stay: " + keys.error().message);
    }
    Watch(signals, service, o, console);
  });
}

Result<void> RunServe(const ServeOptions& o, Console& console) {
  OR_RETURN(CheckExposure(o));
  std::shared_ptr<const server::Keys> keys;
  if (!o.key_file.empty()) keys = OR_RETURN(ReadKeys(o.key_file));
  auto sources = OR_RETURN(Sources(o, console));
  AccessLog log(o.log, STDERR_FILENO);
  server::Service service(std::move(sources.models), std::move(sources.embedders),
                          !o.models.empty(), ServerOptionsOf(o),
                          [&log](const server::AccessRecord& record) { log.Write(record); });
  service.SetKeys(keys);
  if (!o.files.empty()) OR_RETURN(service.KeepFiles(o.files, o.files_size));
  boost::asio::signal_set signals(service.loop(), SIGINT, SIGTERM, SIGHUP);
  Watch(signals, service, o, console);
  std::string where = o.unix_socket;
  if (o.unix_socket.empty()) {
    const int port = OR_RETURN(service.Listen(o.host, o.port));
    where = o.host.find(':') == std::string::npos ? fmt::format("http://{}:{}", o.host, port)
                                                  : fmt::format("http://[{}]:{}", o.host, port);
  } else {
    OR_RETURN(service.ListenUnix(o.unix_socket));
  }
  console.Note(fmt::format("listening on {}", where));
  return service.Run([&console] { console.Note("ready"); });
}

void AddNumber(CLI::App& command, const char* name, std::int64_t& value, std::int64_t most,
               const char* help, const char* group) {
  command.add_option(name, value, help)
      ->type_name("N")
      ->check(WholeNumber(1, most))
      ->group(group)
      ->capture_default_str();
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
  command
      .add_option_function<std::string>(
          "--max-body", [&o](const std::string& text) { o.max_body = ParseByteSize(text); },
          "Longest body of a request, at most 16M")
      ->type_name("SIZE")
      ->default_str("16M")
      ->check(ByteSize())
      ->group(kBounds);
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

void AddServe(CLI::App& app, Chosen& chosen) {
  auto o = std::make_shared<ServeOptions>();
  CLI::App* command = NewCommand(
      app, kTalk, "serve", "Models over HTTP, for every program that speaks OpenAI's API",
      "cairn serve smollm2\n"
      "curl http://127.0.0.1:8080/v1/completions -d '{\"prompt\": \"Once upon a time\"}'\n"
      "cairn serve smollm2 gemma3 --parallel 16 --kv-memory 2G\n"
      "cairn serve smollm2 --host 0.0.0.0 --api-key-file keys");
  command
      ->add_option("MODEL", o->models,
                   "Short names, paths, or files of the model folder. The first is loaded at once, "
                   "the others when they are asked for; none: all of the folder")
      ->type_name("");
  // Read before the command line is parsed (serve_settings.h).
  command
      ->add_option("--config", o->config,
                   "A TOML file of settings: NAME = VALUE, with the names of these options, and "
                   "models = [\"NAME\", ...]. The command line wins over it, it wins over the "
                   "environment (CAIRN_SERVE_PORT for --port)")
      ->type_name("FILE")
      ->check(NotEmpty());
  AddNetwork(*command, *o);
  AddBounds(*command, *o);
  AddParallel(*command, o->parallel);
  command
      ->add_option("--chat-template", o->chat_template,
                   "A file with a Jinja chat template, in place of the models' own")
      ->type_name("FILE");
  command->add_option("--log", o->log, "Requests on standard error: text, json or off")
      ->type_name("HOW")
      ->check(CLI::IsMember({"text", "json", "off"}))
      ->capture_default_str();
  command
      ->add_option("--files", o->files,
                   "A folder of its own for what clients upload and for batches; without it there "
                   "are none")
      ->type_name("FOLDER")
      ->check(NotEmpty());
  command
      ->add_option_function<std::string>(
          "--files-size", [o](const std::string& text) { o->files_size = ParseByteSize(text); },
          "Most bytes of all files together")
      ->type_name("SIZE")
      ->default_str("1G")
      ->check(ByteSize());
  AddContext(*command, o->context,
             "Tokens a prompt and its answer may have together (default: what the model has and "
             "memory fits)");
  AddKv(*command, o->kv);
  AddKvMemory(*command, o->kv_memory);
  command
      ->add_option_function<std::string>(
          "--memory", [o](const std::string& text) { o->memory = ParseByteSize(text); },
          "Memory of all loaded models together, weights and keys and values; one that does not "
          "fit has idle ones unloaded, and --kv-memory is a quarter of it if not given")
      ->type_name("SIZE")
      ->check(ByteSize());
  AddKvBackend(*command, o->kv_backend);
  AddPropose(*command, o->propose);
  AddThreads(*command, o->threads);
  AddPin(*command, o->pinned);
  ReadEnvironment(*command);
  OnChosen(*command, chosen, o, RunServe);
}

}  // namespace cairn::apps

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
#include "apps/serve_options.h"
#include "apps/serve_settings.h"
#include "apps/serve_tls.h"
#include "apps/text.h"
#include "model/architectures.h"
#include "model/folder.h"
#include "server/service.h"

namespace cairn::apps {
namespace {

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

// The files anew; what cannot be read leaves what was there.
void Reload(server::Service& service, const ServeOptions& o, Console& console) {
  if (!o.key_file.empty()) {
    auto keys = ReadKeys(o.key_file);
    if (keys) service.SetKeys(*keys);
    console.Note(keys ? fmt::format("{} keys read", (*keys)->size())
                      : "the old keys stay: " + keys.error().message);
  }
  if (o.tls.given()) {
    auto tls = ReadTls(o.tls);
    if (tls) service.SetTls(*tls);
    console.Note(tls ? "the certificate was read"
                     : "the old certificate stays: " + tls.error().message);
  }
}

// SIGTERM and SIGINT drain, a second one ends; SIGHUP reads keys and certificate again.
void Watch(boost::asio::signal_set& signals, server::Service& service, const ServeOptions& o,
           Console& console) {
  signals.async_wait([&](const boost::system::error_code& error, int signal) {
    if (error) return;
    if (signal != SIGHUP) {
      console.Note("shutting down; answers under way may finish");
      service.Stop();
    } else {
      Reload(service, o, console);
    }
    Watch(signals, service, o, console);
  });
}

Result<void> RunServe(const ServeOptions& o, Console& console) {
  OR_RETURN(CheckExposure(o));
  std::shared_ptr<const server::Keys> keys;
  if (!o.key_file.empty()) keys = OR_RETURN(ReadKeys(o.key_file));
  std::shared_ptr<http::Tls> tls;
  if (o.tls.given()) tls = OR_RETURN(ReadTls(o.tls));
  auto sources = OR_RETURN(Sources(o, console));
  AccessLog log(o.log, STDERR_FILENO);
  server::Service service(std::move(sources.models), std::move(sources.embedders),
                          !o.models.empty(), ServerOptionsOf(o),
                          [&log](const server::AccessRecord& record) { log.Write(record); });
  service.SetKeys(keys);
  service.SetTls(tls);
  if (!o.files.empty()) OR_RETURN(service.KeepFiles(o.files, o.files_size));
  boost::asio::signal_set signals(service.loop(), SIGINT, SIGTERM, SIGHUP);
  Watch(signals, service, o, console);
  std::string where = o.unix_socket;
  if (o.unix_socket.empty()) {
    const int port = OR_RETURN(service.Listen(o.host, o.port));
    const bool v6 = o.host.find(':') != std::string::npos;
    where =
        fmt::format("{}://{}:{}", tls ? "https" : "http", v6 ? '[' + o.host + ']' : o.host, port);
  } else {
    OR_RETURN(service.ListenUnix(o.unix_socket));
  }
  console.Note(fmt::format("listening on {}", where));
  return service.Run([&console] { console.Note("ready"); });
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
  AddServeOptions(*command, *o);
  ReadEnvironment(*command);
  OnChosen(*command, chosen, o, RunServe);
}

}  // namespace cairn::apps

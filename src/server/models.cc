// SPDX-License-Identifier: Apache-2.0
#include "server/models.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <chrono>
#include <ctime>

#include "base/clock.h"

namespace cairn::server {
namespace {

constexpr std::size_t kMostWaiting = 256;  // requests for a model that is being loaded

Result<model::ChatPrompt> ChatOf(const model::Model& model, const ModelSource& source) {
  if (!source.chat_template.empty()) {
    return model::ChatPrompt::Create(model, source.chat_template, LocalTime);
  }
  if (model.chat_template()) {
    return model::ChatPrompt::Create(model, *model.chat_template(), LocalTime);
  }
  return Fail(ErrorCode::kUnsupported,
              fmt::format("{} has no chat template: it continues texts (/v1/completions) and was "
                          "not made for conversations; start the server with --chat-template FILE "
                          "to give it one",
                          source.id));
}

Result<std::shared_ptr<const ServedModel>> Open(const ModelSource& source,
                                                const ServerOptions& options) {
  auto opened = source.open();
  if (!opened) return std::unexpected(std::move(opened).error().Within(source.id));
  auto engine = std::make_shared<HostedEngine>(*std::move(opened), options.scheduler);
  ChatFace face = MakeChatFace(engine->engine(), ChatOf(engine->model(), source));
  return std::make_shared<const ServedModel>(ServedModel{.id = source.id,
                                                         .loaded_s = std::time(nullptr),
                                                         .engine = std::move(engine),
                                                         .face = std::move(face)});
}

}  // namespace

Models::Models(boost::asio::io_context& loop, EngineLoop& engines, std::vector<ModelSource> sources,
               const ServerOptions& options)
    : loop_(loop),
      engines_(engines),
      sources_(std::move(sources)),
      options_(options),
      entries_(sources_.size()),
      timer_(loop) {}

Models::~Models() { loader_.join(); }

void Models::Start(bool eager, std::function<void(Result<void>)> loaded) {
  UnloadIdle();
  if (!eager || sources_.empty()) {
    ready_ = true;
    return loaded({});
  }
  entries_[0].stays = true;
  entries_[0].waiting.push_back([this, loaded = std::move(loaded)](auto model) {
    ready_ = model.has_value();
    loaded(model ? Result<void>() : std::unexpected(model.error()));
  });
  Load(0);
}

std::size_t Models::IndexOf(std::string_view name) const {
  constexpr std::string_view kTag = ":latest";
  const auto place = [&](std::string_view id) {
    return static_cast<std::size_t>(std::ranges::find(sources_, id, &ModelSource::id) -
                                    sources_.begin());
  };
  const std::size_t index = place(name);
  if (index < sources_.size() || !name.ends_with(kTag)) return index;
  return place(name.substr(0, name.size() - kTag.size()));
}

const ModelSource* Models::Find(std::string_view name) const {
  const std::size_t index = IndexOf(name);
  return index < sources_.size() ? &sources_[index] : nullptr;
}

void Models::Keep(std::string_view name, std::chrono::seconds time) {
  const std::size_t index = IndexOf(name);
  if (index < sources_.size()) entries_[index].keep = time;
}

std::chrono::seconds Models::IdleTime(const Entry& entry) const {
  const std::chrono::seconds time = entry.keep.value_or(options_.idle_unload);
  return entry.stays ? std::chrono::seconds(-1) : time;
}

std::optional<std::chrono::system_clock::time_point> Models::UnloadsAt(
    std::string_view name) const {
  const std::size_t index = IndexOf(name);
  if (index == sources_.size()) return std::nullopt;
  const Entry& entry = entries_[index];
  const std::chrono::seconds time = IdleTime(entry);
  if (time < std::chrono::seconds(0)) return std::nullopt;
  const auto left = entry.used + time - std::chrono::steady_clock::now();
  return std::chrono::system_clock::now() +
         std::chrono::duration_cast<std::chrono::system_clock::duration>(left);
}

std::string Models::ListOfNames() const {
  std::string names;
  for (const ModelSource& source : sources_) names += (names.empty() ? "" : ", ") + source.id;
  return names;
}

void Models::Use(std::string_view name, Ready ready) {
  const std::size_t index = name.empty() ? 0 : IndexOf(name);
  if (index >= sources_.size()) {
    return ready(Fail(ErrorCode::kNotFound,
                      fmt::format("there is no model of that name; there are: {}", ListOfNames()),
                      "model"));
  }
  Entry& entry = entries_[index];
  entry.used = std::chrono::steady_clock::now();
  if (entry.model) return ready(entry.model);
  if (!ready_ || entry.waiting.size() >= kMostWaiting) {
    return ready(Fail(ErrorCode::kBusy, "the model is being loaded; try again"));
  }
  if (!entry.loading) {
    if (const auto room = MakeRoom(index); !room) return ready(std::unexpected(room.error()));
  }
  entry.waiting.push_back(std::move(ready));
  Load(index);
}

// Requests hold their model, so one that only we hold is idle.
bool Models::Idle(const Entry& entry) const {
  if (!entry.model || entry.stays || entry.model.use_count() > 1) return false;
  const EngineReading reading = entry.model->engine->reading();
  return reading.scheduler.running + reading.scheduler.waiting == 0;
}

void Models::Unload(Entry& entry) { engines_.Remove(std::exchange(entry.model, nullptr)->engine); }

Result<void> Models::MakeRoom(std::size_t index) {
  if (options_.memory == 0) return {};
  const std::size_t need = sources_[index].bytes;
  std::size_t taken = 0, kept = 0;
  std::vector<std::size_t> idle;
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    if (!entries_[i].model && !entries_[i].loading) continue;
    taken += sources_[i].bytes;
    if (entries_[i].stays) kept += sources_[i].bytes;
    if (Idle(entries_[i])) idle.push_back(i);
  }
  if (kept + need > options_.memory) {
    return Fail(ErrorCode::kOutOfMemory,
                fmt::format("{} takes {} MB with its keys and values; of the {} MB of --memory {} "
                            "are kept by the first model",
                            sources_[index].id, need >> 20, options_.memory >> 20, kept >> 20));
  }
  std::ranges::sort(idle, {}, [&](std::size_t i) { return entries_[i].used; });
  for (const std::size_t i : idle) {
    if (taken + need <= options_.memory) break;
    taken -= sources_[i].bytes;
    Unload(entries_[i]);
  }
  if (taken + need <= options_.memory) return {};
  return Fail(ErrorCode::kBusy, "memory is full of models that are answering; try again");
}

void Models::Load(std::size_t index) {
  if (std::exchange(entries_[index].loading, true)) return;
  boost::asio::post(loader_, [this, index] {
    auto model = Open(sources_[index], options_);
    boost::asio::post(loop_, [this, index, model = std::move(model)]() mutable {
      Loaded(index, std::move(model));
    });
  });
}

void Models::Loaded(std::size_t index, Result<std::shared_ptr<const ServedModel>> model) {
  Entry& entry = entries_[index];
  entry.loading = false;
  entry.used = std::chrono::steady_clock::now();
  if (model) {
    entry.model = *model;
    engines_.Add((*model)->engine);
  }
  for (const Ready& ready : std::exchange(entry.waiting, {})) ready(model);
}

std::vector<std::shared_ptr<const ServedModel>> Models::Loaded() const {
  std::vector<std::shared_ptr<const ServedModel>> models;
  for (const Entry& entry : entries_) {
    if (entry.model) models.push_back(entry.model);
  }
  return models;
}

void Models::UnloadIdle() {
  const auto now = std::chrono::steady_clock::now();
  for (Entry& entry : entries_) {
    const std::chrono::seconds time = IdleTime(entry);
    if (time < std::chrono::seconds(0) || now - entry.used < time || !Idle(entry)) continue;
    Unload(entry);
  }
  constexpr std::chrono::seconds kLook{1};
  timer_.expires_after(kLook);
  timer_.async_wait([this](const boost::system::error_code& error) {
    if (!error) UnloadIdle();
  });
}

}  // namespace cairn::server

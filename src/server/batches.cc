// SPDX-License-Identifier: Apache-2.0
#include "server/batches.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>
#include <ctime>
#include <utility>

#include "server/batch_run.h"
#include "server/json_members.h"
#include "server/new_id.h"

namespace cairn::server {
namespace {

namespace json = boost::json;

constexpr std::string_view kFacts = ".json", kResults = ".out";
constexpr std::size_t kMostFactsBytes = std::size_t{1} << 20;
constexpr std::size_t kMostMetadata = 16, kMostMetadataBytes = 512;  // pairs, of a value
constexpr std::int64_t kDay = 86'400;

json::value OrNull(const std::string& text) {
  return text.empty() ? json::value(nullptr) : json::value(text);
}
json::value OrNull(std::int64_t seconds) {
  return seconds == 0 ? json::value(nullptr) : json::value(seconds);
}

bool HasEnded(const BatchState& state) {
  return state.status == "completed" || state.status == "failed" || state.status == "cancelled";
}

json::object ToObject(const BatchState& s) {
  const auto at_end = [&](const char* status) {
    return OrNull(s.status == status ? s.ended_s : 0);
  };
  json::value errors;
  if (!s.failure.empty()) {
    errors = {{"object", "list"},
              {"data", json::array{json::object{{"code", "failed"}, {"message", s.failure}}}}};
  }
  return {{"id", s.id},
          {"object", "batch"},
          {"endpoint", s.endpoint},
          {"errors", std::move(errors)},
          {"input_file_id", s.input},
          {"completion_window", "24h"},
          {"status", s.status},
          {"output_file_id", OrNull(s.output)},
          {"error_file_id", OrNull(s.errors)},
          {"created_at", s.created_s},
          {"in_progress_at", OrNull(s.started_s)},
          {"expires_at", s.created_s + kDay},
          {"finalizing_at", OrNull(s.ended_s)},
          {"completed_at", at_end("completed")},
          {"failed_at", at_end("failed")},
          {"expired_at", nullptr},
          {"cancelling_at", at_end("cancelled")},
          {"cancelled_at", at_end("cancelled")},
          {"request_counts",
           json::object{{"total", s.total}, {"completed", s.completed}, {"failed", s.failed}}},
          {"metadata", s.metadata}};
}

// As the folder keeps it: what is told, and whose it is.
json::object ToFacts(const BatchState& s) {
  json::object facts = ToObject(s);
  facts["tenant"] = s.tenant;
  facts["models"] = json::array(s.models.begin(), s.models.end());
  facts["failure"] = s.failure;
  facts["ended_at"] = s.ended_s;
  return facts;
}

Result<BatchState> ParseFacts(std::string_view text) {
  const json::value value = OR_RETURN(ParseJson(text, kMostFactsBytes));
  const json::object* object = OR_RETURN(BodyObject(value));
  const Members members(*object, "");
  constexpr std::size_t kMost = FileStore::kMostNameBytes;
  constexpr std::int64_t kMostNumber = std::int64_t{1} << 50;
  BatchState s;
  OR_RETURN(members.Read("id", kMost, s.id));
  OR_RETURN(members.Read("tenant", kMost, s.tenant));
  OR_RETURN(members.Read("endpoint", kMost, s.endpoint));
  OR_RETURN(members.Read("input_file_id", kMost, s.input));
  OR_RETURN(members.Read("status", kMost, s.status));
  OR_RETURN(members.Read("output_file_id", kMost, s.output));
  OR_RETURN(members.Read("error_file_id", kMost, s.errors));
  OR_RETURN(members.Read("failure", kMostFactsBytes, s.failure));
  OR_RETURN(members.Read("created_at", 0, kMostNumber, s.created_s));
  OR_RETURN(members.Read("in_progress_at", 0, kMostNumber, s.started_s));
  OR_RETURN(members.Read("ended_at", 0, kMostNumber, s.ended_s));
  if (const auto* models = members.Find("models"); models != nullptr && models->is_array()) {
    for (const json::value& model : models->get_array()) {
      if (model.is_string()) s.models.emplace_back(model.get_string());
    }
  }
  if (const auto* given = members.Find("metadata"); given != nullptr && given->is_object()) {
    s.metadata = given->get_object();
  }
  if (!HasEnded(s)) return s;
  if (const auto* counts = members.Find("request_counts");
      counts != nullptr && counts->is_object()) {
    const Members numbers(counts->get_object(), "request_counts.");
    OR_RETURN(numbers.Read("total", 0, kMostNumber, s.total));
    OR_RETURN(numbers.Read("completed", 0, kMostNumber, s.completed));
    OR_RETURN(numbers.Read("failed", 0, kMostNumber, s.failed));
  }
  return s;
}

Result<void> ReadMetadata(const Members& members, json::object& out) {
  const json::value* given = members.Find("metadata");
  if (given == nullptr) return {};
  bool good = given->is_object() && given->get_object().size() <= kMostMetadata;
  for (std::size_t i = 0; good && i < given->get_object().size(); ++i) {
    const json::value& value = (given->get_object().begin() + i)->value();
    good = value.is_string() && value.get_string().size() <= kMostMetadataBytes;
  }
  if (!good) return members.Wrong("metadata", "an object of at most 16 short strings", *given);
  out = given->get_object();
  return {};
}

}  // namespace

Batches::Batches(Api& api, FileStore& files) : api_(api), files_(files) {}

Batches::~Batches() {
  if (running_) running_->Abandon();
}

void Batches::Keep(const BatchState& state, std::function<void(Result<void>)> kept) {
  boost::asio::post(
      api_.preparing, [&api = api_, &files = files_, id = state.id,
                       facts = json::serialize(ToFacts(state)), kept = std::move(kept)]() mutable {
        const std::string path = fmt::format("{}/{}{}", files.folder(), id, kFacts);
        boost::asio::post(api.loop,
                          [kept = std::move(kept),
                           written = WriteWholeFile(files.disk(), path, facts)] { kept(written); });
      });
}

Result<void> Batches::Resume() {
  const auto names = OR_RETURN(files_.disk().List(files_.folder()));
  std::vector<StateRef> ended;
  for (const std::string& name : names) {
    if (!name.starts_with("batch_") || !name.ends_with(kFacts)) continue;
    const auto text = ReadWholeFile(files_.disk(), files_.folder() + '/' + name, kMostFactsBytes);
    auto state = text ? ParseFacts(*text) : std::unexpected(text.error());
    if (!state || state->id + std::string(kFacts) != name) continue;  // somebody else's
    auto shared = std::make_shared<BatchState>(*std::move(state));
    batches_.emplace(shared->id, shared);
    if (HasEnded(*shared)) {
      ended.push_back(shared);
    } else {
      waiting_.push_back(shared);
    }
  }
  std::ranges::stable_sort(waiting_, {}, [](const StateRef& s) { return s->created_s; });
  std::ranges::stable_sort(ended, {}, [](const StateRef& s) { return s->ended_s; });
  for (const StateRef& state : ended) ended_.Add(state->tenant, state->id, 1);
  Forget();
  Next();
  return {};
}

Result<Batches::StateRef> Batches::Read(std::string tenant, std::vector<std::string> models,
                                        const json::value& body) const {
  const Members members(*OR_RETURN(BodyObject(body)), "");
  auto state = std::make_shared<BatchState>();
  std::string window = "24h";
  OR_RETURN(members.Read("input_file_id", FileStore::kMostNameBytes, state->input));
  OR_RETURN(members.Read("endpoint", FileStore::kMostNameBytes, state->endpoint));
  OR_RETURN(members.Read("completion_window", FileStore::kMostNameBytes, window));
  OR_RETURN(ReadMetadata(members, state->metadata));
  if (!EndpointOf(state->endpoint)) {
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("endpoint must be {} or {}", PathOf(Endpoint::kChat),
                            PathOf(Endpoint::kCompletions)),
                "endpoint");
  }
  if (window != "24h") {
    return Fail(ErrorCode::kInvalidArgument, "completion_window must be 24h", "completion_window");
  }
  OR_RETURN(files_.Find(tenant, state->input));
  if (batches_.size() - ended_.count() >= kMostBatches) {
    return Fail(ErrorCode::kLimit,
                fmt::format("{} batches wait already; one must end first", kMostBatches));
  }
  state->id = NewId("batch_");
  state->tenant = std::move(tenant);
  state->models = std::move(models);
  state->created_s = std::time(nullptr);
  return state;
}

void Batches::Create(std::string tenant, std::vector<std::string> models, const json::value& body,
                     Created created) {
  auto read = Read(std::move(tenant), std::move(models), body);
  if (!read) return created(std::unexpected(std::move(read).error()));
  Keep(**read, [this, state = *read, created = std::move(created)](const Result<void>& kept) {
    if (!kept) return created(std::unexpected(kept.error()));
    batches_.emplace(state->id, state);
    waiting_.push_back(state);
    created(ToObject(*state));
    Next();
  });
}

Result<Batches::StateRef> Batches::Look(std::string_view tenant, std::string_view id) const {
  const auto found = batches_.find(id);
  if (found != batches_.end() && found->second->tenant == tenant) return found->second;
  return Fail(ErrorCode::kNotFound, "there is no such batch", "batch");
}

Result<json::object> Batches::Find(std::string_view tenant, std::string_view id) const {
  return ToObject(*OR_RETURN(Look(tenant, id)));
}

Result<json::object> Batches::Cancel(std::string_view tenant, std::string_view id) {
  const StateRef state = OR_RETURN(Look(tenant, id));
  if (HasEnded(*state)) {
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("the batch has ended: it is {}", state->status));
  }
  state->status = "cancelling";
  if (running_ && running_->state() == state) {
    running_->Cancel();
  } else {
    std::erase(waiting_, state);
    Ended(state, {});
  }
  return ToObject(*state);
}

std::vector<json::object> Batches::List(std::string_view tenant) const {
  std::vector<StateRef> mine;
  for (const auto& [id, state] : batches_) {
    if (state->tenant == tenant) mine.push_back(state);
  }
  std::ranges::stable_sort(mine, std::ranges::greater(), &BatchState::created_s);
  std::vector<json::object> list;
  for (const StateRef& state : mine) list.push_back(ToObject(*state));
  return list;
}

void Batches::Next() {
  if (running_ || waiting_.empty()) return;
  const StateRef state = waiting_.front();
  waiting_.pop_front();
  state->status = "in_progress";
  state->started_s = std::time(nullptr);
  running_ = std::make_shared<BatchRun>(api_, files_, state, [this, state](Result<void> result) {
    running_.reset();
    Ended(state, std::move(result));
    Next();
  });
  running_->Start();
}

void Batches::Ended(const StateRef& state, Result<void> result) {
  state->ended_s = std::time(nullptr);
  state->status = state->status == "cancelling" ? "cancelled" : "completed";
  if (!result) {
    state->status = "failed";
    state->failure = result.error().message;
  }
  // Not kept, it is found unfinished at the next start and ends again.
  Keep(*state, [](const Result<void>&) {});
  ended_.Add(state->tenant, state->id, 1);
  Forget();
}

// Not removed, they are read at the next start and go then.
void Batches::Forget() {
  while (ended_.count() > kMostEnded) {
    const std::string id = ended_.TakeNext();
    batches_.erase(id);
    boost::asio::post(api_.preparing, [&files = files_, id] {
      for (const std::string_view kind : {kFacts, kResults}) {
        IgnoreResult(files.disk().Remove(fmt::format("{}/{}{}", files.folder(), id, kind)),
                     "one that is there still goes at the next start");
      }
    });
  }
}

}  // namespace cairn::server

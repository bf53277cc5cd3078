// SPDX-License-Identifier: Apache-2.0
// Batches: files of requests that are answered beside everything else, and after it: each request
// has the lowest priority. One batch at a time, in the order they came.
//
// What a batch is stands in FOLDER/BATCH.json, its results so far in BATCH.out, a line for each
// request as `cairn batch` writes them (server/openai_batch.h). A server that was killed goes on
// where the lines end. In the end they become two files of the store: results, and what failed.
// Threads: the event loop's; files are read and written where Api::preparing runs.
// Owns: its batches. The Api and the FileStore must outlive it.
// Test: tests/e2e/test_batches.py.
#pragma once

#include <boost/asio/steady_timer.hpp>
#include <boost/json/object.hpp>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "server/api.h"
#include "server/file_store.h"
#include "server/oldest_first.h"

namespace cairn::server {

struct BatchState;  // batches.cc
class BatchRun;     // batch_run.h

class Batches {
 public:
  static constexpr std::size_t kMostBatches = 1'000;  // that have not ended: none is made past it
  // That have ended: past it the oldest is forgotten of the tenant that has most of them. Its
  // results are files like any other and stay.
  static constexpr std::size_t kMostEnded = 1'000;

  Batches(Api& api, FileStore& files);
  ~Batches();

  // Reads what the folder has, and goes on with what was not finished. Errors: kIo.
  [[nodiscard]] Result<void> Resume();

  // A batch of the tenant: "validating" at first. `created` hears once it is kept. Errors:
  // kInvalidArgument, kNotFound (the input file), kLimit, kIo. `models`: that its key may use;
  // empty: all.
  using Created = std::function<void(Result<boost::json::object> batch)>;
  void Create(std::string tenant, std::vector<std::string> models, const boost::json::value& body,
              Created created);
  // As OpenAI tells them. Errors: kNotFound; kInvalidArgument (a batch that has ended).
  [[nodiscard]] Result<boost::json::object> Find(std::string_view tenant,
                                                 std::string_view id) const;
  [[nodiscard]] Result<boost::json::object> Cancel(std::string_view tenant, std::string_view id);
  // The newest first.
  std::vector<boost::json::object> List(std::string_view tenant) const;

 private:
  using StateRef = std::shared_ptr<BatchState>;
  [[nodiscard]] Result<StateRef> Look(std::string_view tenant, std::string_view id) const;
  [[nodiscard]] Result<StateRef> Read(std::string tenant, std::vector<std::string> models,
                                      const boost::json::value& body) const;
  // `kept` hears on the event loop whether the folder has it as it is now.
  void Keep(const BatchState& state, std::function<void(Result<void>)> kept);
  void Next();
  void Ended(const StateRef& state, Result<void> result);
  void Forget();

  Api& api_;
  FileStore& files_;
  std::map<std::string, StateRef, std::less<>> batches_;
  OldestFirst ended_;
  std::deque<StateRef> waiting_;
  std::shared_ptr<BatchRun> running_;
};

}  // namespace cairn::server

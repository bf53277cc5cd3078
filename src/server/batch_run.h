// SPDX-License-Identifier: Apache-2.0
// A batch that is being answered: lines in, results out (batches.h).
// Threads: the event loop's, but where a comment says "disk": Api::preparing.
#pragma once

#include <boost/asio/steady_timer.hpp>
#include <boost/json/object.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "server/api.h"
#include "server/file_store.h"
#include "server/openai_batch.h"

namespace cairn::server {

// What is known of a batch.
struct BatchState {
  std::string id, tenant;
  std::vector<std::string> models;  // that may be used; empty: all
  std::string endpoint, input;      // the path of its requests, the id of its file
  std::string status = "validating";
  std::string output, errors;  // files, once it has ended
  std::string failure;         // why it failed
  std::int64_t created_s = 0, started_s = 0, ended_s = 0;
  std::int64_t total = 0, completed = 0, failed = 0;  // requests
  boost::json::object metadata;
};

class BatchRun : public std::enable_shared_from_this<BatchRun> {
 public:
  // `ended` hears once: the results are in the store, or an Error of the files.
  BatchRun(Api& api, FileStore& files, std::shared_ptr<BatchState> state,
           std::function<void(Result<void>)> ended);

  void Start();
  // What is under way is dropped; what has its line stays.
  void Cancel();
  // The server ends: nobody hears anything any more, and the next start goes on.
  void Abandon() { abandoned_ = true; }
  const std::shared_ptr<BatchState>& state() const { return state_; }

 private:
  struct Line;
  class Listener;

  // The requests that the files have, and the results. Of the state nothing is touched on the
  // disk's thread: others may be told of it meanwhile.
  struct Counts {
    std::int64_t total = 0, completed = 0, failed = 0;
  };
  struct Files {
    std::string output, errors;
  };
  [[nodiscard]] Result<Counts> ReadFiles();             // disk
  [[nodiscard]] Result<void> ReadDone(Counts& counts);  // disk
  [[nodiscard]] Result<Files> Conclude();               // disk
  void Began(const Result<Counts>& read);
  void Fill();
  void TakeLine(std::int64_t number, std::string_view text);
  void Ask(const std::shared_ptr<Line>& line);
  void Encode(const std::shared_ptr<Line>& line, const std::shared_ptr<const ServedModel>& model);
  void Submit(const std::shared_ptr<Line>& line, const std::shared_ptr<const ServedModel>& model,
              Result<PromptTokens> prompt);
  void Later(const std::shared_ptr<Line>& line);
  void Answered(const Line& line, const std::vector<Result<engine::Answer>>& answers);
  void Write(std::string line, bool answered);
  void Finish();

  Api& api_;
  FileStore& files_;
  std::shared_ptr<BatchState> state_;
  std::function<void(Result<void>)> ended_;
  std::string input_;
  std::size_t at_ = 0;       // of input_
  std::int64_t number_ = 0;  // of the line before it
  BatchLedger ledger_;
  std::unique_ptr<WritableFile> out_;  // disk
  Result<void> appended_;              // disk: the first failure; nothing is written behind it
  std::set<EngineLoop::JobRef> jobs_;
  int in_flight_ = 0;
  bool cancelled_ = false, abandoned_ = false, concluding_ = false;
  Result<void> written_;  // the first failure of the disk ends the batch
};

}  // namespace cairn::server

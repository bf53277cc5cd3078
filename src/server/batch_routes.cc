// SPDX-License-Identifier: Apache-2.0
// OpenAI's files and batches (docs/server.md).
#include <boost/asio/post.hpp>
#include <boost/json/array.hpp>
#include <utility>

#include "server/api.h"
#include "server/batches.h"
#include "server/multipart.h"

namespace cairn::server {
namespace {

namespace json = boost::json;

// What both need; without it the refusal is answered.
bool HasFiles(const CallRef& call) {
  if (call->api.files != nullptr) return true;
  call->Fail(501, "this server keeps no files; start it with --files FOLDER");
  return false;
}

json::object ListOf(json::array items) {
  json::object list{{"object", "list"}, {"has_more", false}};
  list["first_id"] = items.empty() ? json::value() : items.front().at("id");
  list["last_id"] = items.empty() ? json::value() : items.back().at("id");
  list["data"] = std::move(items);
  return list;
}

// A result or its error, from work that waits for the disk.
template <typename Work>
void OnDisk(const CallRef& call, Work work) {
  if (!HasFiles(call)) return;
  boost::asio::post(call->api.preparing, [call, work = std::move(work)] {
    const Result<json::object> result = work(*call->api.files);
    if (result) return call->Json(200, *result);
    call->Fail(result.error());
  });
}

Result<json::object> Upload(FileStore& files, const Call& call) {
  const auto parts =
      OR_RETURN(ParseMultipart(call.request().Header("Content-Type"), call.request().body));
  const FormPart* file = nullptr;
  std::string purpose;
  for (const FormPart& part : parts) {
    if (part.name == "file") file = &part;
    if (part.name == "purpose") purpose = std::string(part.content);
  }
  if (file == nullptr) return cairn::Fail(ErrorCode::kInvalidArgument, "file is missing", "file");
  if (purpose != "batch") {
    return cairn::Fail(ErrorCode::kInvalidArgument, "purpose must be batch", "purpose");
  }
  if (file->filename.size() > FileStore::kMostNameBytes) {
    return cairn::Fail(ErrorCode::kInvalidArgument, "the file's name is too long", "file");
  }
  return ToObject(
      OR_RETURN(files.Add(call.tenant, file->filename, std::move(purpose), file->content)));
}

void UploadFile(const CallRef& call) {
  OnDisk(call, [call](FileStore& files) { return Upload(files, *call); });
}

void ListFiles(const CallRef& call) {
  if (!HasFiles(call)) return;
  json::array list;
  for (const StoredFile& file : call->api.files->List(call->tenant)) list.push_back(ToObject(file));
  call->Json(200, ListOf(std::move(list)));
}

void ShowFile(const CallRef& call) {
  if (!HasFiles(call)) return;
  const auto file = call->api.files->Find(call->tenant, call->rest);
  return file ? call->Json(200, ToObject(*file)) : call->Fail(file.error());
}

void ReadFile(const CallRef& call) {
  if (!HasFiles(call)) return;
  boost::asio::post(call->api.preparing, [call] {
    auto content = call->api.files->Read(call->tenant, call->rest);
    if (!content) return call->Fail(content.error());
    call->exchange->Respond({.type = "application/octet-stream", .body = *std::move(content)});
  });
}

void DeleteFile(const CallRef& call) {
  OnDisk(call, [call](FileStore& files) -> Result<json::object> {
    OR_RETURN(files.Remove(call->tenant, call->rest));
    return json::object{{"id", call->rest}, {"object", "file"}, {"deleted", true}};
  });
}

void Tell(const CallRef& call, const Result<json::object>& batch) {
  return batch ? call->Json(200, *batch) : call->Fail(batch.error());
}

// A key whose tokens are counted by the minute has no use for a batch, and would be none the wiser.
void CreateBatch(const CallRef& call) {
  if (!HasFiles(call)) return;
  const KeyLimits& limits = call->holder->limits;
  if (limits.requests > 0 || limits.tokens > 0) {
    return call->Fail(403, "a key with limits by the minute cannot make batches");
  }
  const auto body = call->Body();
  if (!body) return;
  call->api.batches->Create(call->tenant, limits.models, *body,
                            [call](const Result<json::object>& batch) { Tell(call, batch); });
}

void ListBatches(const CallRef& call) {
  if (!HasFiles(call)) return;
  json::array list;
  for (json::object& batch : call->api.batches->List(call->tenant)) {
    list.push_back(std::move(batch));
  }
  call->Json(200, ListOf(std::move(list)));
}

void ShowBatch(const CallRef& call) {
  if (HasFiles(call)) Tell(call, call->api.batches->Find(call->tenant, call->rest));
}

void CancelBatch(const CallRef& call) {
  if (HasFiles(call)) Tell(call, call->api.batches->Cancel(call->tenant, call->rest));
}

}  // namespace

std::vector<Route> BatchRoutes() {
  return {{"POST", "/v1/files", UploadFile},        {"GET", "/v1/files", ListFiles},
          {"GET", "/v1/files/*/content", ReadFile}, {"GET", "/v1/files/*", ShowFile},
          {"DELETE", "/v1/files/*", DeleteFile},    {"POST", "/v1/batches", CreateBatch},
          {"GET", "/v1/batches", ListBatches},      {"POST", "/v1/batches/*/cancel", CancelBatch},
          {"GET", "/v1/batches/*", ShowBatch}};
}

}  // namespace cairn::server

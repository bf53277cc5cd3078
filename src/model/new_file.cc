// SPDX-License-Identifier: Apache-2.0
#include "model/new_file.h"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <utility>

#include "base/check.h"
#include "base/mapped_file.h"

namespace cairn::model {

class Sha256 {
 public:
  Sha256() : context_(EVP_MD_CTX_new()) {
    CAIRN_CHECK(context_ != nullptr && EVP_DigestInit_ex(context_, EVP_sha256(), nullptr) == 1);
  }
  Sha256(const Sha256&) = delete;
  Sha256& operator=(const Sha256&) = delete;
  ~Sha256() { EVP_MD_CTX_free(context_); }

  void Update(std::span<const std::byte> bytes) {
    CAIRN_CHECK(EVP_DigestUpdate(context_, bytes.data(), bytes.size()) == 1);
  }
  std::string Finish() {
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    unsigned int length = 0;
    CAIRN_CHECK(EVP_DigestFinal_ex(context_, digest.data(), &length) == 1);
    std::string text;
    for (unsigned int i = 0; i < length; ++i) text += fmt::format("{:02x}", digest[i]);
    return text;
  }

 private:
  EVP_MD_CTX* context_;
};

NewFile::NewFile(FileSystem& files, std::string temporary, std::unique_ptr<WritableFile> file,
                 Hashing hashing)
    : files_(&files),
      temporary_(std::move(temporary)),
      file_(std::move(file)),
      hash_(hashing == Hashing::kSha256 ? std::make_unique<Sha256>() : nullptr) {}

NewFile::NewFile(NewFile&& other) noexcept
    : files_(other.files_),
      temporary_(std::exchange(other.temporary_, {})),
      file_(std::move(other.file_)),
      size_(other.size_),
      hash_(std::move(other.hash_)) {}

NewFile::~NewFile() {
  file_.reset();
  if (!temporary_.empty()) {
    IgnoreResult(files_->Remove(temporary_), "the failure that led here is reported already");
  }
}

Result<NewFile> NewFile::Create(FileSystem& files, const std::string& temporary, Hashing hashing) {
  auto file = OR_RETURN(files.OpenToWrite(temporary, WriteMode::kReplace));
  return NewFile(files, temporary, std::move(file), hashing);
}

Result<void> NewFile::Append(std::span<const std::byte> bytes) {
  if (hash_ != nullptr) hash_->Update(bytes);
  size_ += bytes.size();
  return file_->Write(bytes);
}

std::string NewFile::Digest() {
  CAIRN_CHECK(hash_ != nullptr);
  return hash_->Finish();
}

Result<void> NewFile::Commit(const std::string& path) {
  OR_RETURN(file_->Sync());
  OR_RETURN(file_->Close());
  OR_RETURN(files_->Rename(temporary_, path));
  temporary_.clear();
  const std::string folder = std::filesystem::path(path).parent_path().string();
  IgnoreResult(files_->SyncFolder(folder.empty() ? "." : folder),
               "the bytes are safe, and some file systems refuse to sync a folder");
  return {};
}

Result<std::string> Sha256OfFile(const std::string& path) {
  const MappedFile file = OR_RETURN(MappedFile::Open(path));
  constexpr std::size_t kSlice = 16 << 20;  // bytes; pages go back after each
  Sha256 hash;
  for (std::size_t at = 0; at < file.bytes().size(); at += kSlice) {
    const auto slice = file.bytes().subspan(at, std::min(kSlice, file.bytes().size() - at));
    hash.Update(slice);
    file.Release(at, slice.size());
  }
  return hash.Finish();
}

}  // namespace cairn::model

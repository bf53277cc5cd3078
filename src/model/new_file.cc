// SPDX-License-Identifier: Apache-2.0
#include "model/new_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <openssl/evp.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <algorithm>
#include <filesystem>
#include <vector>

#include "base/check.h"
#include "base/mapped_file.h"

namespace cairn::model {
namespace {

std::string FolderOf(const std::string& path) {
  const std::string folder = std::filesystem::path(path).parent_path().string();
  return folder.empty() ? "." : folder;
}

std::unexpected<Error> WriteFailure(const std::string& path, int error) {
  const std::string folder = FolderOf(path);
  if (error == ENOSPC || error == EDQUOT) {
    return Fail(ErrorCode::kIo, fmt::format("the disk of {} is full; free some space", folder));
  }
  return Fail(ErrorCode::kIo, fmt::format("{} cannot be written: {}", path, std::strerror(error)));
}

}  // namespace

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

NewFile::NewFile(std::string temporary, int descriptor)
    : temporary_(std::move(temporary)), descriptor_(descriptor), hash_(std::make_unique<class Sha256>()) {}

NewFile::NewFile(NewFile&& other) noexcept
    : temporary_(std::exchange(other.temporary_, {})),
      descriptor_(std::exchange(other.descriptor_, -1)),
      size_(other.size_),
      hash_(std::move(other.hash_)) {}

NewFile::~NewFile() {
  if (descriptor_ >= 0) close(descriptor_);
  if (!temporary_.empty()) unlink(temporary_.c_str());
}

Result<NewFile> NewFile::Create(const std::string& temporary) {
  unlink(temporary.c_str());
  const int descriptor = open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  if (descriptor < 0) return WriteFailure(temporary, errno);
  return NewFile(temporary, descriptor);
}

Result<void> NewFile::Append(std::span<const std::byte> bytes) {
  hash_->Update(bytes);
  size_ += bytes.size();
  while (!bytes.empty()) {
    const ssize_t written = write(descriptor_, bytes.data(), bytes.size());
    if (written < 0) {
      if (errno == EINTR) continue;
      return WriteFailure(temporary_, errno);
    }
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
  return {};
}

std::string NewFile::Digest() { return hash_->Finish(); }

Result<void> NewFile::Commit(const std::string& path) {
  if (fsync(descriptor_) != 0) return WriteFailure(temporary_, errno);
  const int closed = close(std::exchange(descriptor_, -1));
  if (closed != 0) return WriteFailure(temporary_, errno);
  if (rename(temporary_.c_str(), path.c_str()) != 0) return WriteFailure(path, errno);
  temporary_.clear();
  const std::string folder = FolderOf(path);
  const int descriptor = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor >= 0) {
    // The bytes are safe already; some file systems refuse to sync a folder.
    fsync(descriptor);
    close(descriptor);
  }
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

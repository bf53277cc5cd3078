// SPDX-License-Identifier: Apache-2.0
#include "model/wheel.h"

#include <fmt/format.h>
#include <zip.h>

#include <memory>
#include <vector>

namespace cairn::model {
namespace {

constexpr std::size_t kPieceBytes = 1 << 20;

struct CloseZip {
  void operator()(zip_t* zip) const { zip_discard(zip); }
  void operator()(zip_file_t* file) const { zip_fclose(file); }
};

std::unexpected<Error> Damaged(const std::string& wheel, std::string_view what) {
  return Fail(ErrorCode::kCorrupt, fmt::format("{} is damaged: {}; fetch it again", wheel, what));
}

}  // namespace

Result<void> ReadWheelMember(const std::string& wheel, std::string_view member,
                             std::uint64_t most_bytes,
                             const std::function<Result<void>(std::span<const std::byte>)>& sink) {
  int code = 0;
  const std::unique_ptr<zip_t, CloseZip> zip(zip_open(wheel.c_str(), ZIP_RDONLY, &code));
  if (zip == nullptr) {
    zip_error_t error;
    zip_error_init_with_code(&error, code);
    const std::string text = zip_error_strerror(&error);
    zip_error_fini(&error);
    return Damaged(wheel, text);
  }
  const std::string name(member);
  const std::unique_ptr<zip_file_t, CloseZip> file(zip_fopen(zip.get(), name.c_str(), 0));
  if (file == nullptr) return Damaged(wheel, fmt::format("it has no '{}'", name));
  std::vector<std::byte> piece(kPieceBytes);
  std::uint64_t total = 0;
  while (true) {
    const zip_int64_t got = zip_fread(file.get(), piece.data(), piece.size());
    if (got < 0) return Damaged(wheel, zip_file_strerror(file.get()));
    if (got == 0) return {};
    total += static_cast<std::uint64_t>(got);
    if (total > most_bytes) {
      return Damaged(wheel, fmt::format("'{}' has more than {} bytes", name, most_bytes));
    }
    OR_RETURN(sink(std::span(piece).first(static_cast<std::size_t>(got))));
  }
}

}  // namespace cairn::model

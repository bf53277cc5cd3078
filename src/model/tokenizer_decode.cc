// SPDX-License-Identifier: Apache-2.0
// Ids to text, and to text that never ends inside a character.
#include <algorithm>

#include "model/tokenizer_state.h"
#include "model/utf8.h"

namespace cairn::model {
namespace {

void AppendUnmarked(std::string_view text, std::string& out) {
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t mark = std::min(text.find(kSpaceMark, at), text.size());
    out.append(text, at, mark - at);
    if (mark < text.size()) out += ' ';
    at = mark + kSpaceMark.size();
  }
}

}  // namespace

// "<0x41>" is byte 0x41; -1 for what is not of this form.
int ByteOfPiece(std::string_view text) {
  const auto digit = [](char c) {
    if (c >= '0' && c <= '9') return c - '0';
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
  };
  if (text.size() != 6 || !text.starts_with("<0x") || text[5] != '>') return -1;
  const int high = digit(text[3]), low = digit(text[4]);
  return high < 0 || low < 0 ? -1 : high * 16 + low;
}

void Tokenizer::State::AppendText(std::int32_t id, bool with_special, std::string& out) const {
  if (id < 0 || static_cast<std::size_t>(id) >= v.tokens.size()) return;
  const std::string_view text = v.tokens[static_cast<std::size_t>(id)];
  const TokenType type = v.types[static_cast<std::size_t>(id)];
  if (type == TokenType::kControl || type == TokenType::kUnknown) {
    if (with_special || std::ranges::binary_search(tool_marks, id)) out += text;
    return;
  }
  if (v.kind == TokenizerKind::kRwkv) {
    out += rwkv->Bytes(id);
    return;
  }
  if (v.kind != TokenizerKind::kByteBpe) {
    const int byte = type == TokenType::kByte ? ByteOfPiece(text) : -1;
    if (byte >= 0) {
      out += static_cast<char>(byte);
    } else if (HasSpaceMarks(v.kind)) {
      AppendUnmarked(text, out);
    } else {
      out += text;
    }
    return;
  }
  if (type == TokenType::kUserDefined) {
    out += text;
    return;
  }
  for (std::size_t at = 0; at < text.size();) {
    const auto first = static_cast<unsigned char>(text[at]);
    std::size_t bytes = 1;
    std::size_t character = first;
    if (first >= 0xc2 && first < 0xe0 && at + 1 < text.size()) {
      character = (first & 0x1fu) << 6 | (static_cast<unsigned char>(text[at + 1]) & 0x3fu);
      bytes = 2;
    }
    const int byte = character < byte_of_character.size() ? byte_of_character[character] : -1;
    if (byte >= 0) {
      out += static_cast<char>(byte);
    } else {
      out.append(text, at, bytes);
    }
    at += bytes;
  }
}

std::string Tokenizer::Decode(std::span<const std::int32_t> ids, bool special) const {
  std::string out;
  for (const std::int32_t id : ids) state_->AppendText(id, special, out);
  return out;
}

std::string StreamDecoder::Push(std::int32_t id) {
  pending_ += tokenizer_.Decode({&id, 1}, false);
  std::string out;
  std::string_view rest = pending_;
  while (!rest.empty()) {
    const Utf8Piece piece = NextUtf8(rest);
    if (piece.unfinished) break;
    out.append(piece.well_formed ? rest.substr(0, piece.bytes) : kReplacement);
    rest.remove_prefix(piece.bytes);
  }
  pending_.erase(0, pending_.size() - rest.size());
  return out;
}

std::string StreamDecoder::Finish() {
  std::string out;
  AppendWellFormed(pending_, out);
  pending_.clear();
  return out;
}

}  // namespace cairn::model

// SPDX-License-Identifier: Apache-2.0
#include "server/embedding_request.h"

#include <fmt/format.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "server/json_members.h"
#include "server/openai_request.h"

namespace cairn::server {
namespace {

namespace json = boost::json;

std::unexpected<Error> Invalid(const std::string& place, std::string_view what) {
  return FailAt(ErrorCode::kInvalidArgument, place, what);
}

Result<const json::object*> ObjectOf(const json::value& body) {
  if (!body.is_object()) return Fail(ErrorCode::kInvalidArgument, "the body must be an object");
  return &body.get_object();
}

Result<std::string> TextOf(const json::string& text, const std::string& place) {
  if (text.empty()) return Invalid(place, "must not be empty");
  return std::string(text.data(), text.size());
}

Result<std::vector<std::int32_t>> TokensOf(const json::array& array, const std::string& place) {
  if (array.empty()) return Invalid(place, "must not be empty");
  std::vector<std::int32_t> tokens;
  for (const json::value& value : array) {
    const auto id = WholeOf(value);
    if (!id || *id < 0 || *id > INT32_MAX) {
      return Invalid(place, fmt::format("must hold token ids, got {}", KindOf(value)));
    }
    tokens.push_back(static_cast<std::int32_t>(*id));
  }
  return tokens;
}

// A string, an array of strings, an array of ids, or an array of arrays of ids.
Result<void> ReadInputs(const Members& members, EmbeddingRequest& request) {
  const json::value* input = members.Find("input");
  if (input == nullptr) return Invalid("input", "is missing");
  if (input->is_string()) {
    request.inputs.emplace_back(OR_RETURN(TextOf(input->get_string(), "input")));
    return {};
  }
  if (!input->is_array()) {
    return members.Wrong("input", "a string, or an array of strings or token ids", *input);
  }
  const json::array& array = input->get_array();
  if (array.empty()) return Invalid("input", "must not be empty");
  if (array[0].is_number()) {
    request.inputs.emplace_back(OR_RETURN(TokensOf(array, "input")));
    return {};
  }
  if (array.size() > kMostEmbedInputs) {
    return Invalid(
        "input", fmt::format("has {} texts, at most {} are taken", array.size(), kMostEmbedInputs));
  }
  for (std::size_t i = 0; i < array.size(); ++i) {
    const std::string place = fmt::format("input[{}]", i);
    if (array[i].is_string()) {
      request.inputs.emplace_back(OR_RETURN(TextOf(array[i].get_string(), place)));
    } else if (array[i].is_array()) {
      request.inputs.emplace_back(OR_RETURN(TokensOf(array[i].get_array(), place)));
    } else {
      return Invalid(place, fmt::format("must be a string or an array of token ids, got {}",
                                        KindOf(array[i])));
    }
  }
  return {};
}

// Strings, or objects with a "text".
Result<void> ReadDocuments(const Members& members, RerankRequest& request) {
  const json::value* documents = members.Find("documents");
  if (documents == nullptr) documents = members.Find("texts");
  if (documents == nullptr) return Invalid("documents", "is missing");
  if (!documents->is_array() || documents->get_array().empty()) {
    return members.Wrong("documents", "an array of texts that is not empty", *documents);
  }
  const json::array& array = documents->get_array();
  if (array.size() > kMostEmbedInputs) {
    return Invalid("documents", fmt::format("has {} texts, at most {} are taken", array.size(),
                                            kMostEmbedInputs));
  }
  for (std::size_t i = 0; i < array.size(); ++i) {
    const json::value* text = &array[i];
    if (const json::object* object = text->if_object()) text = object->if_contains("text");
    if (text == nullptr || !text->is_string()) {
      return Invalid(fmt::format("documents[{}]", i), "must be a string or an object with a text");
    }
    request.documents.emplace_back(text->get_string().data(), text->get_string().size());
  }
  return {};
}

}  // namespace

Result<EmbeddingRequest> ReadEmbeddingRequest(const json::value& body) {
  const Members members(*OR_RETURN(ObjectOf(body)), "");
  EmbeddingRequest request;
  OR_RETURN(members.Read("model", kMostNameBytes, request.model));
  OR_RETURN(members.Read("dimensions", 1, INT32_MAX, request.dimensions));
  OR_RETURN(members.Read("truncate", request.truncate));
  std::string format = "float";
  OR_RETURN(members.Read("encoding_format", kMostNameBytes, format));
  if (format != "float" && format != "base64") {
    return Invalid("encoding_format", "must be float or base64");
  }
  request.base64 = format == "base64";
  OR_RETURN(ReadInputs(members, request));
  return request;
}

Result<RerankRequest> ReadRerankRequest(const json::value& body) {
  const Members members(*OR_RETURN(ObjectOf(body)), "");
  RerankRequest request;
  OR_RETURN(members.Read("model", kMostNameBytes, request.model));
  OR_RETURN(members.Read("query", kMostBodyBytes, request.query));
  if (request.query.empty()) return Invalid("query", "is missing or empty");
  OR_RETURN(members.Read("top_n", 1, INT32_MAX, request.top));
  OR_RETURN(members.Read("return_documents", request.with_documents));
  OR_RETURN(members.Read("truncate", request.truncate));
  OR_RETURN(ReadDocuments(members, request));
  return request;
}

}  // namespace cairn::server

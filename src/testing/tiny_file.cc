// SPDX-License-Identifier: Apache-2.0
#include "testing/tiny_file.h"

#include "testing/tiny_models.h"

namespace cairn::testing {

struct TinyFile::State {
  TinyModel model{{.format = tensor::Format::kQ8_0}};
};

TinyFile::TinyFile() : state_(std::make_unique<State>()) {}
TinyFile::~TinyFile() = default;
std::string TinyFile::path() const { return state_->model.path(); }
std::string TinyFile::folder() const { return path().substr(0, path().rfind('/')); }

}  // namespace cairn::testing

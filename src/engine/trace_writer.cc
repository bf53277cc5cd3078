// SPDX-License-Identifier: Apache-2.0
#include "engine/trace_writer.h"

#include <fmt/format.h>

namespace cairn::engine {
namespace {

constexpr std::size_t kPendingBytes = std::size_t{1} << 20;
constexpr std::int64_t kShortestWaitNs = 500;

// Names come from the model's file: anything may stand in them.
std::string Quoted(std::string_view text) {
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') quoted += '\\';
    // Beyond ASCII it need not be UTF-8, which JSON must be.
    const auto byte = static_cast<unsigned char>(c);
    quoted += byte < 0x20 || byte > 0x7E ? '?' : c;
  }
  return quoted + '"';
}

}  // namespace

Result<std::unique_ptr<TraceWriter>> TraceWriter::Create(FileSystem& files, const std::string& path,
                                                         const Clock& clock,
                                                         std::uint64_t most_bytes) {
  auto file = OR_RETURN(files.OpenToWrite(path, WriteMode::kReplace));
  return std::unique_ptr<TraceWriter>(new TraceWriter(std::move(file), clock, most_bytes));
}

TraceWriter::TraceWriter(std::unique_ptr<WritableFile> file, const Clock& clock,
                         std::uint64_t most_bytes)
    : file_(std::move(file)),
      clock_(clock),
      most_bytes_(most_bytes),
      origin_(clock.NowNs()),
      last_end_(origin_) {
  Append("{\"displayTimeUnit\":\"ns\",\"traceEvents\":[\n");
  NameWorkers(1);
}

void TraceWriter::Append(std::string_view text) {
  pending_ += text;
  if (pending_.size() >= kPendingBytes) Flush();
}

void TraceWriter::Flush() {
  written_ += pending_.size();
  if (result_) result_ = file_->Write(std::as_bytes(std::span(pending_)));
  pending_.clear();
}

void TraceWriter::Span(int worker, std::string_view name, std::string_view category,
                       std::int64_t begin, std::int64_t end, std::string_view arguments) {
  // Whole nanoseconds as a fraction of microseconds, the format's unit; never as a double, whose
  // rounding would let a span stick out of the one around it.
  const auto time = [](std::int64_t ns) { return fmt::format("{}.{:03}", ns / 1000, ns % 1000); };
  Append(
      fmt::format("{}{{\"ph\":\"X\",\"pid\":1,\"tid\":{},\"ts\":{},\"dur\":{},\"name\":{},"
                  "\"cat\":\"{}\"{}}}",
                  first_ ? "" : ",\n", worker, time(begin - origin_), time(end - begin),
                  Quoted(name), category, arguments));
  first_ = false;
}

void TraceWriter::NameWorkers(std::size_t workers) {
  for (; named_ < workers; ++named_) {
    Append(
        fmt::format("{}{{\"ph\":\"M\",\"pid\":1,\"tid\":{},\"name\":\"thread_name\","
                    "\"args\":{{\"name\":\"worker {}\"}}}}",
                    first_ ? "" : ",\n", named_, named_));
    first_ = false;
  }
}

void TraceWriter::Phases(const StepRecord& record, int worker) {
  for (const PhaseSpan& span : record.workers[static_cast<std::size_t>(worker)]) {
    if (span.units > 0) {
      const int layer = span.stage == nullptr ? -1 : span.stage->layer;
      Span(worker, program::NameOf(record.program, span.stage, span.part), "work", span.begin,
           span.waiting, fmt::format(",\"args\":{{\"layer\":{},\"units\":{}}}", layer, span.units));
    }
    if (span.end - span.waiting >= kShortestWaitNs) {
      Span(worker, "wait", "wait", span.waiting, span.end);
    }
  }
}

void TraceWriter::OnStep(const StepRecord& record) {
  if (written_ + pending_.size() >= most_bytes_) {
    ++left_out_;
    return;
  }
  NameWorkers(record.workers.size());
  if (record.begin > last_end_) Span(0, "outside of steps", "step", last_end_, record.begin);
  int rows = 0, sampled = 0;
  for (const SequenceSlice& slice : record.slices) {
    rows += slice.rows;
    sampled += slice.sampled;
  }
  Span(0, "step", "step", record.begin, record.end,
       fmt::format(",\"args\":{{\"rows\":{},\"sampled\":{},\"sequences\":{}}}", rows, sampled,
                   record.slices.size()));
  for (int w = 0; w < static_cast<int>(record.workers.size()); ++w) Phases(record, w);
  last_end_ = record.end;
}

Result<void> TraceWriter::Finish() {
  const std::int64_t now = clock_.NowNs();
  const char* what = left_out_ > 0 ? "steps left out: the trace is full" : "outside of steps";
  if (now > last_end_) Span(0, what, "step", last_end_, now);
  Append("\n]}\n");
  Flush();
  OR_RETURN(std::move(result_));
  return file_->Close();
}

}  // namespace cairn::engine

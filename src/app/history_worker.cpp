// SPDX-License-Identifier: Apache-2.0
#include "reachd/app/history_worker.hpp"

#include <fmt/format.h>
#include <sys/stat.h>

namespace reachd {
namespace {

constexpr std::chrono::hours upkeep_interval{1};

ino_t inode_of(const std::filesystem::path& file)
{
    struct stat found{};
    return ::stat(file.c_str(), &found) == 0 ? found.st_ino : 0;
}

bool same(const store_limits& one, const store_limits& other)
{
    return one.keep == other.keep && one.max_mb == other.max_mb;
}

} // namespace

// SQLite would go on writing into a file that has no name any more.
bool history_worker::is_still_there() const
{
    return inode_of(file_) == inode_;
}

stored<void> history_worker::open(const history_job& job, history_outcome& out)
{
    auto opened = open_history(job.options.file, job.options.limits);
    if (!opened) {
        return std::unexpected(opened.error());
    }
    auto memory = (*opened)->begin(job.now, job.options.version);
    if (!memory) {
        return std::unexpected(memory.error());
    }
    store_ = std::move(*opened);
    file_ = job.options.file;
    limits_ = job.options.limits;
    inode_ = inode_of(file_);
    upkeep_due_ = job.now;
    out.memory = std::move(*memory);
    return {};
}

stored<void> history_worker::put_aside(const store_error& why, history_job& job, history_outcome& out)
{
    store_.reset();
    job.broken.reset();
    const auto where = set_aside(job.options.file, job.now);
    if (!where) {
        return std::unexpected(where.error());
    }
    out.set_aside.push_back(
        fmt::format("{}; it is kept as {}, and a new history has begun", why.sentence, where->string())
    );
    return {};
}

stored<void> history_worker::write(history_job& job, history_outcome& out)
{
    history_batch all;
    const auto append = [](auto& into, auto& from) {
        into.insert(into.end(), std::make_move_iterator(from.begin()), std::make_move_iterator(from.end()));
    };
    auto batches = job.batches; // a fault hands them back
    for (auto& one : batches) {
        append(all.records, one.what.records);
        append(all.samples, one.what.samples);
        append(all.sightings, one.what.sightings);
        append(all.notes, one.what.notes);
        append(all.visits, one.what.visits);
    }
    auto written = store_->write(all, job.now);
    if (!written) {
        return written;
    }
    if (!job.batches.empty()) {
        out.ticket = job.batches.back().ticket;
        job.batches.clear();
    }
    if (job.last) {
        return store_->end(job.now);
    }
    if (job.now >= upkeep_due_ || upkeep_due_ - job.now > upkeep_interval) { // or the clock was set back
        upkeep_due_ = job.now + upkeep_interval;
        return store_->upkeep(job.now);
    }
    return {};
}

history_outcome history_worker::run(history_job& job)
{
    history_outcome out;
    const bool moved = store_ && file_ != job.options.file;
    if (moved) {
        static_cast<void>(store_->end(job.now)); // where it cannot, the file says so when it is opened again
        store_.reset();
    }
    if (store_ && !same(limits_, job.options.limits)) {
        limits_ = job.options.limits;
        store_->set_limits(limits_);
        upkeep_due_ = job.now;
    }
    if (store_ && !is_still_there()) {
        store_.reset();
        out.set_aside.push_back(fmt::format("{} was removed; a new history has begun", file_.string()));
    }
    constexpr int tries = 3; // a corrupt file, the new one, and one more
    stored<void> done;
    for (int number = 0; number < tries; ++number) {
        done = {};
        if (store_ && job.broken) {
            done = std::unexpected(*job.broken);
        } else if (!store_) {
            done = open(job, out);
        }
        if (done) {
            done = write(job, out);
        }
        if (done || done.error().what != store_fault::corrupt) {
            break;
        }
        const auto why = done.error();
        done = put_aside(why, job, out);
        if (!done) {
            break;
        }
    }
    if (!done) {
        out.fault = done.error();
        out.unwritten = std::move(job.batches);
    }
    out.open = store_ != nullptr;
    if (store_) {
        out.file = file_;
        out.session = store_->session();
        out.bytes = store_->state().value_or(store_state{}).bytes;
    }
    if (job.last) {
        store_.reset();
    }
    return out;
}

} // namespace reachd

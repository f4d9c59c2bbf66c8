// SPDX-License-Identifier: Apache-2.0
#include "reachd/app/support_bundle.hpp"

#include "reachd/core/text.hpp"

#include <algorithm>
#include <archive.h>
#include <archive_entry.h>
#include <fmt/format.h>
#include <memory>

namespace reachd {
namespace {

constexpr std::size_t room_each = 4096; // a header, a pax header and padding
constexpr std::size_t room_besides = 65536;

using packer = std::unique_ptr<archive, decltype(&archive_write_free)>;
using entry = std::unique_ptr<archive_entry, decltype(&archive_entry_free)>;

bool add(archive& into, const std::string& path, const std::string& content, long long now_s)
{
    const entry header{archive_entry_new(), &archive_entry_free};
    archive_entry_set_pathname(header.get(), path.c_str());
    archive_entry_set_size(header.get(), static_cast<la_int64_t>(content.size()));
    archive_entry_set_filetype(header.get(), AE_IFREG);
    archive_entry_set_perm(header.get(), 0644);
    archive_entry_set_mtime(header.get(), static_cast<time_t>(now_s), 0);
    return archive_write_header(&into, header.get()) == ARCHIVE_OK &&
           archive_write_data(&into, content.data(), content.size()) ==
               static_cast<la_ssize_t>(content.size());
}

} // namespace

std::string list_of(const std::vector<bundle_file>& files)
{
    std::size_t widest = 0;
    for (const auto& one : files) {
        widest = std::max(widest, one.name.size());
    }
    std::string out;
    for (const auto& one : files) {
        out += fmt::format(
            "{:<{}}  {:>12} bytes  {}\n", one.name, widest, grouped(one.content.size()), one.about
        );
    }
    return out;
}

std::expected<std::string, std::string>
pack_bundle(const std::string& directory, const std::vector<bundle_file>& files, long long now_s)
{
    auto room = room_besides;
    for (const auto& one : files) {
        room += one.content.size() + one.content.size() / 100 + room_each; // gzip adds less than 1 %
    }
    std::string bytes(room, '\0');
    std::size_t used = 0;
    const packer out{archive_write_new(), &archive_write_free};
    bool fine = archive_write_add_filter_gzip(out.get()) == ARCHIVE_OK &&
                archive_write_set_format_pax_restricted(out.get()) == ARCHIVE_OK &&
                archive_write_open_memory(out.get(), bytes.data(), bytes.size(), &used) == ARCHIVE_OK;
    for (const auto& one : files) {
        fine = fine && add(*out, directory + "/" + one.name, one.content, now_s);
    }
    fine = fine && archive_write_close(out.get()) == ARCHIVE_OK;
    if (!fine) {
        const char* why = archive_error_string(out.get());
        return std::unexpected(fmt::format("cannot pack the bundle: {}", why ? why : "no reason given"));
    }
    bytes.resize(used);
    return bytes;
}

} // namespace reachd

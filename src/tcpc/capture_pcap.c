/* SPDX-License-Identifier: MIT */
#include "tcpc/capture.h"

#include "base/clock.h"
#include "tcpc/segment.h"

#include <arpa/inet.h>
#include <errno.h>
#include <pcap/pcap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * How much is taken of each packet, and how many bytes wait to be read: the
 * headers; or, with a file to be written, all of the largest segment that is on its way.
 */
static const struct extent {
    int length, buffer;
} headers_only = {256, 4 << 20}, everything = {262144, 16 << 20};

/* The kernel hands packets over in blocks, at least so often. */
#define BLOCK_MS 10

/* Taken in one go; the rest waits until the connection has had its turn. */
#define BATCH 512

struct capture {
    pcap_t *pcap;
    struct capture_file *file;
    enum segment_link link;
    capture_take *take; /* while it is read */
    void *context;
};

struct capture_file {
    pcap_t *dead; /* what a file needs to be opened */
    pcap_dumper_t *dumper;
};

const char *capture_name(void)
{
    return pcap_lib_version();
}

static int configure(pcap_t *pcap, const struct extent *extent)
{
    pcap_set_snaplen(pcap, extent->length);
    pcap_set_buffer_size(pcap, extent->buffer);
    pcap_set_timeout(pcap, BLOCK_MS);
    pcap_set_tstamp_precision(pcap, PCAP_TSTAMP_PRECISION_NANO);
    return pcap_activate(pcap); /* a warning, which is positive, is none for us */
}

static int set_link(struct capture *capture, struct error *error)
{
    static const struct {
        int datalink;
        enum segment_link link;
    } known[] = {
        {DLT_EN10MB, SEGMENT_ETHERNET}, {DLT_LINUX_SLL, SEGMENT_COOKED}, {DLT_RAW, SEGMENT_IP},
        {DLT_IPV4, SEGMENT_IP},         {DLT_IPV6, SEGMENT_IP},
    };
    int datalink = pcap_datalink(capture->pcap);
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        capture->link = known[i].link;
        if (known[i].datalink == datalink)
            return 0;
    }
    return error_set(error, 0, "its kind of packets (%d) is not known", datalink);
}

static int set_filter(struct capture *capture, const struct addr *peer, uint16_t local_port,
                      struct error *error)
{
    char host[INET6_ADDRSTRLEN], text[256];
    struct bpf_program program;
    inet_ntop(peer->family, peer->bytes, host, sizeof host);
    snprintf(text, sizeof text,
             "tcp and ((dst host %s and dst port %u and src port %u) or "
             "(src host %s and src port %u and dst port %u))",
             host, peer->port, local_port, host, peer->port, local_port);
    if (pcap_compile(capture->pcap, &program, text, 1, PCAP_NETMASK_UNKNOWN) != 0)
        return error_set(error, 0, "%s", pcap_geterr(capture->pcap));
    int result = pcap_setfilter(capture->pcap, &program);
    pcap_freecode(&program);
    return result ? error_set(error, 0, "%s", pcap_geterr(capture->pcap)) : 0;
}

static int explain(pcap_t *pcap, int code, struct error *error)
{
    error_set(error, 0, "%s", pcap_statustostr(code));
    if (code == PCAP_ERROR)
        error_set(error, 0, "%s", pcap_geterr(pcap));
    error->errnum = code == PCAP_ERROR_PERM_DENIED ? EPERM : EIO;
    return -1;
}

static int start(struct capture *capture, const struct addr *peer, uint16_t local_port,
                 struct error *error)
{
    char buffer[PCAP_ERRBUF_SIZE];
    int code = configure(capture->pcap, capture->file ? &everything : &headers_only);
    if (code < 0)
        return explain(capture->pcap, code, error);
    if (set_link(capture, error) || set_filter(capture, peer, local_port, error))
        return -1;
    if (pcap_setnonblock(capture->pcap, 1, buffer) != 0)
        return error_set(error, 0, "%s", buffer);
    return 0;
}

struct capture *capture_open(const char *interface, const struct addr *peer, uint16_t local_port,
                             struct capture_file *file, struct error *error)
{
    char buffer[PCAP_ERRBUF_SIZE] = "no memory";
    struct capture *capture = calloc(1, sizeof *capture);
    pcap_t *pcap = capture ? pcap_create(interface, buffer) : NULL;
    if (!pcap) {
        error_set(error, 0, "%s", buffer);
        free(capture);
        return NULL;
    }
    *capture = (struct capture){.pcap = pcap, .file = file};
    if (start(capture, peer, local_port, error) == 0)
        return capture;
    capture_close(capture);
    return NULL;
}

int capture_fd(const struct capture *capture)
{
    return pcap_get_selectable_fd(capture->pcap);
}

static void write_packet(const struct capture_file *file, const struct pcap_pkthdr *header,
                         const uint8_t *packet, size_t before)
{
    struct pcap_pkthdr cut = *header;
    cut.caplen -= (bpf_u_int32)before;
    cut.len -= (bpf_u_int32)before;
    pcap_dump((u_char *)file->dumper, &cut, packet);
}

static void take_frame(u_char *user, const struct pcap_pkthdr *header, const u_char *frame)
{
    const struct capture *capture = (struct capture *)user;
    size_t before = segment_link_length(capture->link, frame, header->caplen);
    if (before >= header->caplen)
        return;
    uint64_t time = (uint64_t)header->ts.tv_sec * CLOCK_S + (uint64_t)header->ts.tv_usec;
    if (capture->file)
        write_packet(capture->file, header, frame + before, before);
    capture->take(capture->context, time, frame + before, header->caplen - before,
                  header->len - before);
}

void capture_read(struct capture *capture, capture_take *take, void *context)
{
    capture->take = take;
    capture->context = context;
    pcap_dispatch(capture->pcap, BATCH, take_frame, (u_char *)capture);
}

uint64_t capture_lost(struct capture *capture)
{
    struct pcap_stat stat;
    return pcap_stats(capture->pcap, &stat) == 0 ? stat.ps_drop : 0;
}

void capture_close(struct capture *capture)
{
    pcap_close(capture->pcap);
    free(capture);
}

/* --- the file --- */

struct capture_file *capture_file_open(const char *path, struct error *error)
{
    struct capture_file *file = calloc(1, sizeof *file);
    FILE *stream = file ? fopen(path, "we") : NULL;
    if (!stream) {
        error_set(error, errno, "--pcap: cannot write %.300s", path);
        free(file);
        return NULL;
    }
    file->dead = pcap_open_dead_with_tstamp_precision(DLT_RAW, everything.length,
                                                      PCAP_TSTAMP_PRECISION_NANO);
    file->dumper = file->dead ? pcap_dump_fopen(file->dead, stream) : NULL;
    if (file->dumper)
        return file;
    error_set(error, 0, "--pcap: cannot write %.300s", path);
    fclose(stream);
    if (file->dead)
        pcap_close(file->dead);
    free(file);
    return NULL;
}

int capture_file_close(struct capture_file *file, struct error *error)
{
    bool failed = pcap_dump_flush(file->dumper) != 0 || ferror(pcap_dump_file(file->dumper));
    int errnum = errno;
    pcap_dump_close(file->dumper);
    pcap_close(file->dead);
    free(file);
    return failed ? error_set(error, errnum, "cannot write the file of --pcap") : 0;
}

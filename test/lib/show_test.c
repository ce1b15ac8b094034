/* Images as JSON and as a tree, down to the last character. */
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>

#include "cli/show.h"
#include "images/core.pb-c.h"
#include "images/fd/pipe.pb-c.h"
#include "images/fd/tcp.pb-c.h"
#include "images/file.pb-c.h"
#include "images/mm/mm.pb-c.h"
#include "images/ns/ipc.pb-c.h"
#include "images/pages.h"
#include "images/pstree.pb-c.h"
#include "images/task/fs.pb-c.h"
#include "images/task/ids.pb-c.h"
#include "images/vma.h"
#include "lib/own.h"
#include "test/lib/folder.h"
#include "test/lib/said.h"
#include "test/lib/unit.h"

static struct err e;

/* What is shown of a path below the folder, "" being the folder. */
static int show(const struct folder *f, const char *name, bool tree, char **ret)
{
	char path[128];
	size_t size;
	int r;

	own_file out = open_memstream(ret, &size);
	snprintf(path, sizeof(path), "%s/%s", f->path, name);
	assert(out);
	r = show_images(path, tree, out, &e);
	return r;
}

static void must_show(const struct folder *f, const char *name, bool tree, const char *wanted)
{
	own_mem char *got = NULL;
	int r = show(f, name, tree, &got);

	if (r < 0 || strcmp(got, wanted) != 0)
		fprintf(stderr, "%s\ngot:\n%s\nwanted:\n%s\n", r < 0 ? e.text : "", got, wanted);
	assert(r == 0 && strcmp(got, wanted) == 0);
}

static void fields_in_their_forms(void)
{
	VmaEntry vma = VMA_ENTRY__INIT, *vmas = &vma;
	MmEntry mm = MM_ENTRY__INIT;
	uint64_t auxv[] = { 6, UINT64_MAX };
	own_folder f = folder_make();

	mm.mm_start_code = 0x400000;
	mm.n_mm_saved_auxv = 2;
	mm.mm_saved_auxv = auxv;
	mm.n_vmas = 1;
	mm.vmas = &vmas;
	mm.has_dumpable = true;
	mm.dumpable = -1;
	vma.start = 0x400000;
	vma.end = 0x401000;
	vma.prot = PROT_READ | PROT_EXEC;
	vma.flags = MAP_PRIVATE | 1 << 30;
	vma.status = VMA_AREA_REGULAR | VMA_FILE_PRIVATE;
	vma.fd = -1;
	assert(image_save(f.fd, IMG_MM, 7, &mm, &e) == 0);
	must_show(&f, "mm-7.img", false,
		  "{\n"
		  "    \"magic\": \"MM\",\n"
		  "    \"entries\": [\n"
		  "        {\n"
		  "            \"mm_start_code\": \"0x400000\",\n"
		  "            \"mm_end_code\": \"0x0\",\n"
		  "            \"mm_start_data\": \"0x0\",\n"
		  "            \"mm_end_data\": \"0x0\",\n"
		  "            \"mm_start_stack\": \"0x0\",\n"
		  "            \"mm_start_brk\": \"0x0\",\n"
		  "            \"mm_brk\": \"0x0\",\n"
		  "            \"mm_arg_start\": \"0x0\",\n"
		  "            \"mm_arg_end\": \"0x0\",\n"
		  "            \"mm_env_start\": \"0x0\",\n"
		  "            \"mm_env_end\": \"0x0\",\n"
		  "            \"exe_file_id\": 0,\n"
		  "            \"mm_saved_auxv\": [\n"
		  "                6,\n"
		  "                18446744073709551615\n"
		  "            ],\n"
		  "            \"vmas\": [\n"
		  "                {\n"
		  "                    \"start\": \"0x400000\",\n"
		  "                    \"end\": \"0x401000\",\n"
		  "                    \"pgoff\": 0,\n"
		  "                    \"shmid\": 0,\n"
		  "                    \"prot\": \"PROT_READ | PROT_EXEC\",\n"
		  "                    \"flags\": \"MAP_PRIVATE | 0x40000000\",\n"
		  "                    \"status\": \"VMA_AREA_REGULAR | VMA_FILE_PRIVATE\",\n"
		  "                    \"fd\": -1\n"
		  "                }\n"
		  "            ],\n"
		  "            \"dumpable\": -1\n"
		  "        }\n"
		  "    ]\n"
		  "}\n");
}

static FileEntry *file_entry(FileEntry *entry, FdTypes type, uint32_t id)
{
	file_entry__init(entry);
	entry->type = type;
	entry->id = id;
	return entry;
}

/* Enums, addresses, bytes that are mostly text, and an object inside. */
static void sockets(void)
{
	UnixSkEntry usk = UNIX_SK_ENTRY__INIT;
	InetSkEntry isk = INET_SK_ENTRY__INIT;
	FownEntry fown = FOWN_ENTRY__INIT;
	SkOptsEntry opts = SK_OPTS_ENTRY__INIT;
	uint32_t address = htobe32(0x7f000001);
	own_folder f = folder_make();
	own_mem char *text = NULL;
	own_image i = {};
	FileEntry file;

	usk.fown = isk.fown = &fown;
	usk.opts = isk.opts = &opts;
	usk.name = (ProtobufCBinaryData){ 6, (uint8_t *)"\0a=b/\xff" };
	isk.family = 2;
	isk.state = 10;
	isk.n_src_addr = 1;
	isk.src_addr = &address;
	assert(image_create(&i, f.fd, IMG_FILES, 0, &e) == 0);
	file_entry(&file, FD_TYPES__UNIXSK, 1)->usk = &usk;
	assert(image_write(&i, &file, &e) == 0);
	file_entry(&file, FD_TYPES__INETSK, 2)->isk = &isk;
	assert(image_write(&i, &file, &e) == 0);
	assert(image_close(&i, &e) == 0);
	assert(show(&f, "files.img", false, &text) == 0);
	assert(strstr(text, "\"type\": \"UNIXSK\""));
	assert(strstr(text, "\"name\": \"=00a=3Db/=FF\""));
	assert(strstr(text, "\"family\": \"INET\"") && strstr(text, "\"state\": \"LISTEN\""));
	assert(strstr(text,
		      "\"src_addr\": [\n                    \"127.0.0.1\"\n                ]"));
	assert(!strstr(text, "dst_addr"));
}

static void bytes_behind_records(void)
{
	PipeDataEntry data = PIPE_DATA_ENTRY__INIT;
	TcpStreamEntry tcp = TCP_STREAM_ENTRY__INIT;
	IpcSemEntry sem = IPC_SEM_ENTRY__INIT;
	IpcDescEntry desc = IPC_DESC_ENTRY__INIT;
	uint16_t sems[4] = { 1, 2, 65535 };
	own_folder f = folder_make();
	own_mem char *text = NULL, *text2 = NULL;
	own_image i = {};

	assert(image_create(&i, f.fd, IMG_PIPES_DATA, 0, &e) == 0);
	data.bytes = 4;
	assert(image_write(&i, &data, &e) == 0 && image_write_extra(&i, "abcd", 4, &e) == 0);
	assert(image_close(&i, &e) == 0);
	must_show(&f, "pipes-data.img", false,
		  "{\n"
		  "    \"magic\": \"PIPES_DATA\",\n"
		  "    \"entries\": [\n"
		  "        {\n"
		  "            \"pipe_id\": 0,\n"
		  "            \"bytes\": 4,\n"
		  "            \"extra\": \"YWJjZA==\"\n"
		  "        }\n"
		  "    ]\n"
		  "}\n");

	tcp.inq_len = 1;
	tcp.outq_len = 2;
	assert(image_create(&i, f.fd, IMG_TCP_STREAM, 0x1f, &e) == 0);
	assert(image_write(&i, &tcp, &e) == 0 && image_write_extra(&i, "abb", 3, &e) == 0);
	assert(image_close(&i, &e) == 0);
	assert(show(&f, "tcp-stream-1f.img", false, &text) == 0);
	assert(strstr(text, "\"inq\": \"YQ==\",\n                \"outq\": \"YmI=\"\n"));

	sem.desc = &desc;
	sem.nsems = 3;
	assert(image_create(&i, f.fd, IMG_IPC_SEM, 4, &e) == 0);
	assert(image_write(&i, &sem, &e) == 0 && image_write_extra(&i, sems, 8, &e) == 0);
	assert(image_close(&i, &e) == 0);
	assert(show(&f, "ipcns-sem-4.img", false, &text2) == 0);
	assert(strstr(text2, "1,\n                2,\n                65535\n            ]"));
}

/* Two files, one of them cut short: the output is whole all the same. */
static void folder_with_a_damaged_file(void)
{
	own_folder f = folder_make();
	own_mem char *text = NULL;

	folder_put(&f, "pstree.img", "\x19\x43\x56\x54\x30\x30\x27\x50\x02", 9);
	folder_put(&f, "pages-1.img", "123", 3);
	folder_put(&f, "notes.txt", "", 0);
	assert(show(&f, "", false, &text) < 0);
	must_say(&e, "'pstree.img' is cut short: 1 stray bytes at byte 8");
	assert(strcmp(text,
		      "{\n"
		      "    \"pages-1.img\": {\n"
		      "        \"magic\": \"RAW\",\n"
		      "        \"size\": 3\n"
		      "    },\n"
		      "    \"pstree.img\": {\n"
		      "        \"magic\": \"PSTREE\",\n"
		      "        \"entries\": [],\n"
		      "        \"error\": \"'pstree.img' is cut short: 1 stray bytes at byte 8\"\n"
		      "    }\n"
		      "}\n") == 0);
}

static void other_names(void)
{
	own_folder f = folder_make();
	own_mem char *text = NULL;

	folder_put(&f, "saved", "\x19\x43\x56\x54\x30\x30\x27\x50", 8);
	must_show(&f, "saved", false, "{\n    \"magic\": \"PSTREE\",\n    \"entries\": []\n}\n");
	folder_put(&f, "notes", "abc", 3);
	assert(show(&f, "notes", false, &text) < 0);
	must_say(&e, "'notes' is no image: neither its name nor its magic is that of any kind");
}

static void text_is_always_utf8(void)
{
	static const char bytes[] = "a\"\\\n\x7f\xc3\xa9\xff\xed\xa0\x80\xf0\x9f\x98\x80\xc3";
	own_mem char *text = NULL;
	size_t size;

	{
		own_file out = open_memstream(&text, &size);
		struct json j = { .out = out };

		json_begin(&j, NULL, '[');
		json_string(&j, NULL, bytes, sizeof(bytes) - 1);
		json_end(&j, ']');
	}
	assert(strcmp(text, "[\n    \"a\\\"\\\\\\u000a\\u007f\xc3\xa9\\ufffd\\ufffd\\ufffd\\ufffd"
			    "\xf0\x9f\x98\x80\\ufffd\"\n]\n") == 0);
}

static void put_task(const struct folder *f, struct image *tree, uint32_t pid, uint32_t ppid)
{
	uint32_t threads[] = { pid, pid + 1 };
	PstreeEntry p = PSTREE_ENTRY__INIT;
	TaskCoreEntry tc = TASK_CORE_ENTRY__INIT;
	CoreEntry core = CORE_ENTRY__INIT;
	TaskKobjIdsEntry ids = TASK_KOBJ_IDS_ENTRY__INIT;
	MmEntry mm = MM_ENTRY__INIT;
	FsEntry fs = FS_ENTRY__INIT;

	p.pid = pid;
	p.ppid = ppid;
	p.sid = 10;
	p.n_threads = ppid ? 1 : 2;
	p.threads = threads;
	assert(image_write(tree, &p, &e) == 0);
	core.mtype = CORE_ENTRY__MARCH__X86_64;
	core.tc = &tc;
	tc.comm = ppid ? "child" : "root";
	tc.task_state = pid == 30 ? 2 : 1;
	tc.exit_code = 3 << 8;
	assert(image_save(f->fd, IMG_CORE, pid, &core, &e) == 0);
	if (pid == 30)
		return;
	mm.exe_file_id = 1;
	fs.cwd_id = 2;
	ids.files_id = 2;
	assert(image_save(f->fd, IMG_MM, pid, &mm, &e) == 0);
	assert(image_save(f->fd, IMG_FS, pid, &fs, &e) == 0);
	assert(image_save(f->fd, IMG_IDS, pid, &ids, &e) == 0);
	own_pagemap_writer w = { f->fd, IMG_PAGEMAP, pid, pid, .pages_fd = -1 };
	assert(pagemap_writer_begin(&w, &e) == 0);
	assert(pagemap_writer_add(&w, 0x1000, ppid ? 300 : 1, PE_PARENT, &e) == 0);
	assert(pagemap_writer_add(&w, 0x1000000, 2, PE_LAZY, &e) == 0);
	assert(pagemap_writer_finish(&w, &e) == 0);
}

static void put_files(const struct folder *f)
{
	RegFileEntry exe = REG_FILE_ENTRY__INIT, dir = REG_FILE_ENTRY__INIT;
	PipeEntry pipe = PIPE_ENTRY__INIT;
	FdinfoEntry fd = FDINFO_ENTRY__INIT;
	FownEntry fown = FOWN_ENTRY__INIT;
	FileEntry file;
	own_image i = {};

	exe.fown = dir.fown = pipe.fown = &fown;
	exe.name = "/bin/x";
	dir.name = "/tmp\n";
	pipe.pipe_id = 77;
	assert(image_create(&i, f->fd, IMG_FILES, 0, &e) == 0);
	file_entry(&file, FD_TYPES__REG, 1)->reg = &exe;
	assert(image_write(&i, &file, &e) == 0);
	file_entry(&file, FD_TYPES__REG, 2)->reg = &dir;
	assert(image_write(&i, &file, &e) == 0);
	file_entry(&file, FD_TYPES__PIPE, 3)->pipe = &pipe;
	assert(image_write(&i, &file, &e) == 0);
	assert(image_close(&i, &e) == 0);
	fd.id = 3;
	fd.fd = 9;
	fd.type = FD_TYPES__PIPE;
	assert(image_save(f->fd, IMG_FDINFO, 2, &fd, &e) == 0);
}

static void tree_of_processes(void)
{
	own_folder f = folder_make();
	own_image tree = {};

	assert(image_create(&tree, f.fd, IMG_PSTREE, 0, &e) == 0);
	put_task(&f, &tree, 10, 0);
	put_task(&f, &tree, 20, 10);
	put_task(&f, &tree, 30, 20);
	assert(image_close(&tree, &e) == 0);
	put_files(&f);
	must_show(
		&f, "", true,
		"10 root, session 10, threads 11, 3 pages (12 KiB), 1 of them in the parent's images, "
		"2 of them not fetched yet\n"
		"  : exe /bin/x\n"
		"  : cwd /tmp?\n"
		"  : fd 9 PIPE pipe:[77]\n"
		"    20 child, session 10, 302 pages (1.2 MiB), 300 of them in the parent's images, "
		"2 of them not fetched yet\n"
		"      : exe /bin/x\n"
		"      : cwd /tmp?\n"
		"      : fd 9 PIPE pipe:[77]\n"
		"        30 child, session 10, dead with status 3\n");
	assert(unlinkat(f.fd, "mm-20.img", 0) == 0);
	own_mem char *text = NULL;
	assert(show(&f, "", true, &text) < 0);
	must_say(&e, "'mm-20.img' is missing");
}

int main(void)
{
	return unit_run((struct unit[]){
		UNIT(fields_in_their_forms),
		UNIT(sockets),
		UNIT(bytes_behind_records),
		UNIT(folder_with_a_damaged_file),
		UNIT(other_names),
		UNIT(text_is_always_utf8),
		UNIT(tree_of_processes),
		{},
	});
}

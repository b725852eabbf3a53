/* SPDX-License-Identifier: Apache-2.0 */
/* The labels of the WHATWG Encoding Standard (4.2), each with the converter of the C library that
 * decodes as the standard says. Included by encoding.c. Not there: the labels of `replacement`
 * (iso-2022-kr and the like), which the standard forbids to decode. */
#ifndef INPUTS_FILE_ENCODING_NAMES_H
#define INPUTS_FILE_ENCODING_NAMES_H

enum encoding_kind {
	ENCODING_UTF8,
	ENCODING_UTF16LE,
	ENCODING_UTF16BE,
	ENCODING_BYTE,
	ENCODING_MULTI
};

struct encoding {
	const char *converter; /* of iconv(3) */
	enum encoding_kind kind;
	const char *labels; /* separated by spaces; the first is the name */
};

/* clang-format off */
static const struct encoding encodings[] = {
	{ "UTF-8", ENCODING_UTF8,
	  "utf-8 utf8 unicode-1-1-utf-8 unicode11utf8 unicode20utf8 x-unicode20utf8" },
	{ "UTF-16LE", ENCODING_UTF16LE,
	  "utf-16le utf-16 csunicode iso-10646-ucs-2 ucs-2 unicode unicodefeff" },
	{ "UTF-16BE", ENCODING_UTF16BE, "utf-16be unicodefffe" },
	{ "CP1252", ENCODING_BYTE,
	  "windows-1252 latin1 iso-8859-1 ascii us-ascii ansi_x3.4-1968 cp1252 cp819 csisolatin1 "
	  "ibm819 iso-ir-100 iso8859-1 iso88591 iso_8859-1 iso_8859-1:1987 l1 x-cp1252" },
	{ "IBM866", ENCODING_BYTE, "ibm866 866 cp866 csibm866" },
	{ "ISO-8859-2", ENCODING_BYTE,
	  "iso-8859-2 latin2 csisolatin2 iso-ir-101 iso8859-2 iso88592 iso_8859-2 "
	  "iso_8859-2:1987 l2" },
	{ "ISO-8859-3", ENCODING_BYTE,
	  "iso-8859-3 latin3 csisolatin3 iso-ir-109 iso8859-3 iso88593 iso_8859-3 "
	  "iso_8859-3:1988 l3" },
	{ "ISO-8859-4", ENCODING_BYTE,
	  "iso-8859-4 latin4 csisolatin4 iso-ir-110 iso8859-4 iso88594 iso_8859-4 "
	  "iso_8859-4:1988 l4" },
	{ "ISO-8859-5", ENCODING_BYTE,
	  "iso-8859-5 cyrillic csisolatincyrillic iso-ir-144 iso8859-5 iso88595 iso_8859-5 "
	  "iso_8859-5:1988" },
	{ "ISO-8859-6", ENCODING_BYTE,
	  "iso-8859-6 arabic asmo-708 csiso88596e csiso88596i csisolatinarabic ecma-114 "
	  "iso-8859-6-e iso-8859-6-i iso-ir-127 iso8859-6 iso88596 iso_8859-6 iso_8859-6:1987" },
	{ "ISO-8859-7", ENCODING_BYTE,
	  "iso-8859-7 greek greek8 csisolatingreek ecma-118 elot_928 iso-ir-126 iso8859-7 iso88597 "
	  "iso_8859-7 iso_8859-7:1987 sun_eu_greek" },
	{ "ISO-8859-8", ENCODING_BYTE,
	  "iso-8859-8 hebrew csiso88598e csisolatinhebrew iso-8859-8-e iso-ir-138 iso8859-8 iso88598 "
	  "iso_8859-8 iso_8859-8:1988 visual" },
	{ "ISO-8859-8", ENCODING_BYTE, "iso-8859-8-i csiso88598i logical" },
	{ "ISO-8859-10", ENCODING_BYTE,
	  "iso-8859-10 latin6 csisolatin6 iso-ir-157 iso8859-10 iso885910 l6" },
	{ "ISO-8859-13", ENCODING_BYTE, "iso-8859-13 iso8859-13 iso885913" },
	{ "ISO-8859-14", ENCODING_BYTE, "iso-8859-14 iso8859-14 iso885914" },
	{ "ISO-8859-15", ENCODING_BYTE,
	  "iso-8859-15 csisolatin9 iso8859-15 iso885915 iso_8859-15 l9" },
	{ "ISO-8859-16", ENCODING_BYTE, "iso-8859-16" },
	{ "KOI8-R", ENCODING_BYTE, "koi8-r koi koi8 koi8_r cskoi8r" },
	{ "KOI8-U", ENCODING_BYTE, "koi8-u koi8-ru" },
	{ "MACINTOSH", ENCODING_BYTE, "macintosh mac csmacintosh x-mac-roman" },
	{ "CP874", ENCODING_BYTE,
	  "windows-874 tis-620 dos-874 iso-8859-11 iso8859-11 iso885911" },
	{ "CP1250", ENCODING_BYTE, "windows-1250 cp1250 x-cp1250" },
	{ "CP1251", ENCODING_BYTE, "windows-1251 cp1251 x-cp1251" },
	{ "CP1253", ENCODING_BYTE, "windows-1253 cp1253 x-cp1253" },
	{ "CP1254", ENCODING_BYTE,
	  "windows-1254 latin5 iso-8859-9 cp1254 csisolatin5 iso-ir-148 iso8859-9 iso88599 "
	  "iso_8859-9 iso_8859-9:1989 l5 x-cp1254" },
	{ "CP1255", ENCODING_BYTE, "windows-1255 cp1255 x-cp1255" },
	{ "CP1256", ENCODING_BYTE, "windows-1256 cp1256 x-cp1256" },
	{ "CP1257", ENCODING_BYTE, "windows-1257 cp1257 x-cp1257" },
	{ "CP1258", ENCODING_BYTE, "windows-1258 cp1258 x-cp1258" },
	{ "MAC-UK", ENCODING_BYTE, "x-mac-cyrillic x-mac-ukrainian" },
	{ "GB18030", ENCODING_MULTI, "gb18030" },
	{ "GB18030", ENCODING_MULTI,
	  "gbk gb2312 chinese csgb2312 csiso58gb231280 gb_2312 gb_2312-80 iso-ir-58 x-gbk" },
	{ "BIG5-HKSCS", ENCODING_MULTI, "big5 big5-hkscs cn-big5 csbig5 x-x-big5" },
	{ "EUC-JP-MS", ENCODING_MULTI, "euc-jp cseucpkdfmtjapanese x-euc-jp" },
	{ "ISO-2022-JP", ENCODING_MULTI, "iso-2022-jp csiso2022jp" },
	{ "CP932", ENCODING_MULTI,
	  "shift_jis shift-jis sjis windows-31j ms932 ms_kanji csshiftjis x-sjis" },
	{ "CP949", ENCODING_MULTI,
	  "euc-kr korean ks_c_5601-1987 ks_c_5601-1989 ksc5601 ksc_5601 cseuckr csksc56011987 "
	  "iso-ir-149 windows-949" },
};
/* clang-format on */

#endif

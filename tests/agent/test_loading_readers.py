"""Readers: what each makes of a small real file of its kind, of damaged ones, and of every encoding."""

from __future__ import annotations

import builtins
import json
import sys
import zipfile
from importlib import import_module
from io import BytesIO
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridle.agent.loading.documents import Document, Findings, Part, Reader
from bridle.agent.loading.html import read_html
from bridle.agent.loading.markup import read_code, read_markdown, read_plain, read_rst
from bridle.agent.loading.pdf import page_texts, read_pdf
from bridle.agent.loading.readers import READERS, reader_for
from bridle.agent.loading.rows import read_csv, read_json, read_jsonl, read_tsv
from bridle.agent.loading.text import clean, decoded, is_binary
from bridle.agent.loading.word import read_docx
from bridle.errors import BridleError, MissingExtra, SourceUnreadable
from document_files import docx_bytes, locked_pdf, pdf_bytes

PAGES = [
    ["The quick brown fox remem-", "bers a long-term plan that it made on a cold day in (old) Nor-", "way."],
    [],
    ["Page three is here.", "A long-", "term plan (again) is a plan."],
]


def read(reader: Reader, data: bytes | str, findings: Findings | None = None) -> list[Document]:
    given = data.encode() if isinstance(data, str) else data
    return list(reader(given, findings if findings is not None else Findings()))


def ending(reader: Reader, data: bytes | str) -> str:
    """`read`, or what is said to a person whose file is refused."""
    try:
        read(reader, data)
    except SourceUnreadable as error:
        return error.hint
    return "read"


def parts(reader: Reader, data: bytes | str) -> list[Part]:
    return [part for document in read(reader, data) for part in document.parts]


def texts(reader: Reader, data: bytes | str) -> list[str]:
    return [part.text for part in parts(reader, data)]


def refused(reader: Reader, data: bytes | str) -> SourceUnreadable:
    with pytest.raises(SourceUnreadable) as caught:
        read(reader, data)
    assert caught.value.hint
    return caught.value


class TestPdf:
    def test_a_page_with_text_is_a_document_with_its_number(self) -> None:
        findings = Findings()
        documents = read(read_pdf, pdf_bytes(PAGES, title="Foxes (and plans)"), findings)
        assert [document.parts[0].locator for document in documents] == [{"page": 1}, {"page": 3}]
        assert findings.title == "Foxes (and plans)"

    def test_words_that_a_line_end_divided_are_whole_again(self) -> None:
        first, third = texts(read_pdf, pdf_bytes(PAGES))
        assert (
            first
            == "The quick brown fox remembers a long-term plan that it made on a cold day in (old) Norway."
        )
        assert "A long-term plan (again) is a plan." in third

    def test_pypdf_reads_the_same_where_pdfium_is_not_installed(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        by_pdfium = texts(read_pdf, pdf_bytes(PAGES))
        monkeypatch.setitem(sys.modules, "pypdfium2", None)
        findings = Findings()
        by_pypdf = read(read_pdf, pdf_bytes(PAGES, title="Foxes"), findings)
        assert [part.text for document in by_pypdf for part in document.parts] == by_pdfium
        assert findings.title == "Foxes"
        assert "password" in refused(read_pdf, locked_pdf(PAGES)).message
        assert "no sound PDF" in refused(read_pdf, pdf_bytes(PAGES)[:200]).message

    def test_without_either_package_the_extra_is_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "pypdfium2", None)
        monkeypatch.setitem(sys.modules, "pypdf", None)
        with pytest.raises(MissingExtra) as caught:
            read(read_pdf, pdf_bytes(PAGES))
        assert "docs" in caught.value.hint

    def test_a_locked_file_is_refused_with_the_reason(self) -> None:
        assert refused(read_pdf, locked_pdf(PAGES)).message == "it is locked by a password"

    @pytest.mark.parametrize("data", [b"", b"%PDF-1.4\n", b"hello", pdf_bytes(PAGES)[:300]])
    def test_a_damaged_file_is_refused(self, data: bytes) -> None:
        assert "no sound PDF" in refused(read_pdf, data).message

    def test_a_damaged_page_is_told_and_the_others_are_read(self) -> None:
        data = pdf_bytes([["One."], ["Two."]]).replace(b"/Type /Page /Parent", b"/Type /Xage /Parent", 1)
        findings = Findings()
        assert [document.parts[0].text for document in read(read_pdf, data, findings)] == ["Two."]
        assert [loss.startswith("page 1 cannot be read") for loss in findings.losses] == [True]

    def test_a_file_of_pictures_is_refused_with_the_way_out(self) -> None:
        error = refused(read_pdf, pdf_bytes([[], []]))
        assert error.message == "it holds no text on its 2 pages"
        assert "OCR" in error.hint

    def test_ligatures_are_letters_and_raised_figures_stay(self) -> None:
        assert page_texts(["e\ufb03cient \ufb01nds, 10² ½ ｆｕｌｌ"]) == ["efficient finds, 10² ½ full"]

    def test_a_list_keeps_its_lines_and_a_paragraph_does_not(self) -> None:
        page = "This line is as long as a line can be on this\r\npage and goes on here:\r\n• one\r\n• two"
        assert page_texts([page]) == [
            "This line is as long as a line can be on this page and goes on here:\n• one\n• two"
        ]

    @given(st.binary(max_size=200), st.integers(0, 900))
    def test_whatever_damage_is_done_it_is_read_or_refused(self, noise: bytes, at: int) -> None:
        whole = pdf_bytes(PAGES)
        assert ending(read_pdf, whole[:at] + noise + whole[at + len(noise) :])


class TestWord:
    def test_headings_paragraphs_and_tables_are_read_in_order(self) -> None:
        findings = Findings()
        data = docx_bytes(
            ["Before.", "# Cats", "They purr.", [["Name", "Age"], ["Tom", "3"]], "## Food", "Fish."],
            "Animals",
        )
        (document,) = read(read_docx, data, findings)
        assert findings.title == "Animals"
        assert [(part.heading, part.text) for part in document.parts] == [
            ("", "Before."),
            ("Cats", "Cats\n\nThey purr.\n\nName | Age\nTom | 3"),
            ("Cats › Food", "Food\n\nFish."),
        ]

    def test_a_cell_over_two_columns_is_read_once_and_equal_cells_are_kept(self) -> None:
        docx: Any = import_module("docx")
        document = docx.Document()
        table = document.add_table(rows=2, cols=3)
        for cell, text in zip(table.rows[1].cells, "335", strict=True):
            cell.text = text
        table.cell(0, 0).merge(table.cell(0, 1)).text = "wide"
        table.cell(0, 2).text = "one"
        file = BytesIO()
        document.save(file)
        assert texts(read_docx, file.getvalue()) == ["wide | one\n3 | 3 | 5"]

    def test_without_the_package_the_extra_is_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "docx", None)
        with pytest.raises(MissingExtra):
            read(read_docx, b"PK")

    def test_an_empty_file_has_no_document(self) -> None:
        assert read(read_docx, docx_bytes([])) == []

    @pytest.mark.parametrize("data", [b"", b"PK\x03\x04", b"words", docx_bytes(["x"])[:900]])
    def test_a_damaged_file_is_refused(self, data: bytes) -> None:
        assert "no sound Word file" in refused(read_docx, data).message

    def test_an_old_word_file_is_refused_with_the_way_out(self) -> None:
        assert ".docx" in refused(read_docx, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600).hint

    def test_another_zip_file_is_refused(self) -> None:
        file = BytesIO()
        with zipfile.ZipFile(file, "w") as packed:
            packed.writestr("a.txt", "text")
        assert "no sound Word file" in refused(read_docx, file.getvalue()).message

    def test_broken_xml_inside_is_refused(self) -> None:
        file = BytesIO()
        with zipfile.ZipFile(BytesIO(docx_bytes(["x"]))) as whole, zipfile.ZipFile(file, "w") as packed:
            for name in whole.namelist():
                data = whole.read(name)
                packed.writestr(name, data[: len(data) // 2] if name == "word/document.xml" else data)
        assert "no sound Word file" in refused(read_docx, file.getvalue()).message

    def test_a_file_that_unpacks_without_end_is_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("bridle.agent.loading.word._MOST_BYTES", 1000)
        assert "unpacks to" in refused(read_docx, docx_bytes(["x"])).message


class TestHtml:
    def test_scripts_navigation_forms_and_hidden_text_are_left_out(self) -> None:
        page = """<!doctype html><html><head><title> My
            page </title><style>p {}</style><script>var x</script></head><body>
            <header>Site</header><nav>Home</nav>
            <p>Cats <b>pur</b>r &amp; sleep.<br>Often.</p><div hidden>no</div><form><button>no</button></form>
            <ul><li>one</li><li>two</li></ul><!-- no --><footer>©</footer></body></html>"""
        findings = Findings()
        (document,) = read(read_html, page.encode(), findings)
        assert findings.title == "My page"
        assert [part.text for part in document.parts] == ["Cats purr & sleep.\nOften.\n\none\ntwo"]

    def test_headings_make_parts_with_their_path(self) -> None:
        page = "<h1>Animals</h1><p>All.</p><h2>Cats</h2><p>Purr.</p><h2>Dogs</h2><p>Bark.</p><h1>Plants</h1>"
        assert [(part.heading, part.text) for part in parts(read_html, page)] == [
            ("Animals", "Animals\n\nAll."),
            ("Animals › Cats", "Cats\n\nPurr."),
            ("Animals › Dogs", "Dogs\n\nBark."),
            ("Plants", "Plants"),
        ]

    def test_the_main_part_of_a_page_is_all_that_is_read_of_it(self) -> None:
        page = "<div>menu</div><main><header><h1>T</h1></header><p>Text.</p></main><aside>ads</aside>"
        assert texts(read_html, page) == ["T\n\nText."]
        assert texts(read_html, "<div>a</div><article>b</article><article>c</article>") == ["a\n\nb\n\nc"]

    def test_tables_are_rows_and_preformatted_text_keeps_its_blanks(self) -> None:
        page = "<table><tr><th>A<th>B<tr><td>1<td>2</table><pre>if x:\n    y\n</pre><p>end</p>"
        assert texts(read_html, page) == ["A | B\n1 | 2\n\nif x:\n    y\n\nend"]

    def test_a_page_says_its_own_encoding(self) -> None:
        page = '<meta charset="iso-8859-1"><p>Grüße “x”</p>'.encode("cp1252")
        findings = Findings()
        assert [part.text for part in read(read_html, page, findings)[0].parts] == ["Grüße “x”"]
        assert findings.notes == []

    def test_a_page_that_is_wrong_about_its_encoding_is_read_all_the_same(self) -> None:
        findings = Findings()
        page = '<meta charset="klingon"><p>Grüße</p>'.encode()
        assert [part.text for part in read(read_html, page, findings)[0].parts] == ["Grüße"]
        assert findings.notes == ["says that it is in 'klingon' and is not"]

    def test_a_page_that_is_nested_thousands_of_times_is_read_or_refused(self) -> None:
        assert ending(read_html, "<div>" * 3_000 + "deep")

    def test_the_header_of_a_page_is_left_out_and_that_of_a_section_is_not(self) -> None:
        page = "<header>Site<aside>x</aside></header><section><header>Top</header>Text</section>"
        assert texts(read_html, page) == ["Top\n\nText"]

    def test_what_the_parser_gives_up_at_is_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def give_up(*_: object) -> None:
            raise RecursionError("too deep")

        monkeypatch.setattr("bridle.agent.loading.html._content", give_up)
        assert "no sound HTML" in refused(read_html, "<p>x").message

    def test_a_page_without_text_has_no_document(self) -> None:
        assert read(read_html, b"<html><script>x</script></html>") == []

    def test_without_the_package_the_extra_is_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "bs4", None)
        with pytest.raises(MissingExtra):
            read(read_html, b"<p>x")

    @given(st.text(st.sampled_from("<>/!-[]=\"' abdivp&#;\n?"), max_size=200))
    def test_whatever_stands_in_a_page_it_is_read_or_refused(self, page: str) -> None:
        assert ending(read_html, page)


class TestMarkup:
    def test_markdown_is_read_by_its_headings_with_lines_and_title(self) -> None:
        text = (
            "---\ntitle: 'Of animals'\n---\nIntro.\n\n# Cats #\n\nPurr.\n\n```sh\n# no heading\n```\n\n"
            "Dogs\n----\nBark.\n## Food\n\nMeat.\n"
        )
        findings = Findings()
        (document,) = read(read_markdown, text.encode(), findings)
        assert findings.title == "Of animals"
        assert [(part.heading, part.line) for part in document.parts] == [
            ("", 1),
            ("Cats", 6),
            ("Cats › Dogs", 14),
            ("Cats › Food", 17),
        ]
        for part in document.parts:
            assert part.line is not None
            assert text.split("\n")[part.line - 1] == part.text.split("\n")[0]

    def test_the_first_heading_is_the_title_where_nothing_else_says_one(self) -> None:
        findings = Findings()
        read(read_markdown, b"# Cats\ntext", findings)
        assert findings.title == "Cats"

    def test_a_heading_without_text_goes_with_the_next(self) -> None:
        assert [part.text for part in parts(read_markdown, "# A\n\n## B\n\ntext")] == ["# A\n\n## B\n\ntext"]

    def test_a_rule_and_a_table_are_no_headings(self) -> None:
        text = "para one\ngoes on\n---\n\n| a | b |\n|---|---|\n\n- item\n---\n"
        assert [part.heading for part in parts(read_markdown, text)] == [""]

    def test_a_fence_is_ended_by_its_own_kind_only(self) -> None:
        text = "# A\n\n~~~\n```\n# no\n~~~ sh\n# no\n~~~~\n\n# B\n\ntext"
        assert [part.heading for part in parts(read_markdown, text)] == ["A", "B"]

    def test_a_line_under_text_that_is_no_title_makes_none(self) -> None:
        text = "Cats\n--\n\nlonger than its line\n-----\n\ntwo\nlines\n=====\n\n  inset\n=======\n"
        assert [part.heading for part in parts(read_rst, text)] == [""]

    def test_restructured_text_is_read_by_its_titles(self) -> None:
        table = "=== ===\na   b\n=== ===\n"
        text = f"=====\nTitle\n=====\n\nIntro.\n\nCats\n----\n\nPurr.\n\n{table}\nDogs\n----\n\nBark.\n"
        findings = Findings()
        (document,) = read(read_rst, text.encode(), findings)
        assert findings.title == "Title"
        assert [(part.heading, part.line) for part in document.parts] == [
            ("Title", 1),
            ("Title › Cats", 7),
            ("Title › Dogs", 16),
        ]

    @pytest.mark.parametrize("reader", [read_markdown, read_rst])
    @given(text=st.text(st.sampled_from("#=-~`* \nab"), max_size=200))
    def test_no_line_of_markup_is_lost(self, reader: Reader, text: str) -> None:
        assert "".join("\n".join(texts(reader, text)).split()) == "".join(text.split())

    def test_code_and_plain_text_are_one_document_each(self) -> None:
        (code,) = parts(read_code, "def f():\r\n    pass\r\n")
        assert (code.text, code.line, code.style) == ("def f():\n    pass\n", 1, "code")
        (plain,) = parts(read_plain, "a\n\nb")
        assert (plain.text, plain.line, plain.style) == ("a\n\nb", 1, "prose")
        assert parts(read_plain, " \n ") == []


class TestRows:
    def test_a_row_is_a_document_with_its_number_and_columns(self) -> None:
        documents = read(read_csv, 'name;age\nAnn;3\n\n"Bo;b\nJr";\n')
        assert [document.parts[0] for document in documents] == [
            Part("name: Ann\nage: 3", {"row": 1}),
            Part("name: Bo;b\nJr", {"row": 2}),
        ]

    def test_a_table_without_a_header_gets_numbered_columns(self) -> None:
        assert texts(read_csv, "1,2\n3,4\n") == ["column 1: 1\ncolumn 2: 2", "column 1: 3\ncolumn 2: 4"]

    def test_a_row_that_is_longer_than_the_header_loses_nothing(self) -> None:
        assert texts(read_tsv, "a\tb\n1\t2\t3") == ["a: 1\nb: 2\ncolumn 3: 3"]

    def test_a_field_beyond_reason_is_told_and_the_table_goes_on(self) -> None:
        findings = Findings()
        rows = read(read_csv, f"a,b\n1,{'x' * 200_000}\n3,4\n".encode(), findings)
        assert [document.parts[0].text for document in rows] == ["a: 3\nb: 4"]
        assert [loss.startswith("line 2 is no row") for loss in findings.losses] == [True]

    def test_an_empty_table_has_no_document(self) -> None:
        assert read(read_csv, "") == read(read_csv, "a,b\n") == read(read_json, " \n") == []

    def test_a_row_without_values_is_no_document(self) -> None:
        assert texts(read_csv, "a,b\n , \n1,\n") == ["a: 1"]

    def test_a_list_in_json_is_a_document_for_each_item(self) -> None:
        data = json.dumps([{"a": 1, "b": None, "c": {"d": True}}, "text", 3, None, [1, [2]]])
        assert [(part.text, part.locator) for part in parts(read_json, data)] == [
            ('a: 1\nc: {"d": true}', {"row": 1}),
            ("text", {"row": 2}),
            ("3", {"row": 3}),
            ("[1, [2]]", {"row": 5}),
        ]

    def test_an_object_in_json_is_one_document(self) -> None:
        assert parts(read_json, '{"a": ["x", "y"], "ok": false}') == [Part("a: x, y\nok: false")]

    @pytest.mark.parametrize("data", ["{", "[1,", "nonsense", "[" * 100_000, '{"a": 1} x'])
    def test_what_is_not_json_is_refused(self, data: str) -> None:
        assert "not JSON" in refused(read_json, data).message

    def test_json_lines_in_a_json_file_are_read_and_noted(self) -> None:
        findings = Findings()
        assert len(read(read_json, b'{"a": 1}\n{"a": 2}\n', findings)) == 2
        assert findings.notes == ["holds JSON Lines, not JSON"]

    def test_a_bad_line_is_told_and_the_others_are_read(self) -> None:
        findings = Findings()
        rows = read(read_jsonl, b'{"a": 1}\n\n{"a": \n{"a": 3}', findings)
        assert [document.parts[0].locator for document in rows] == [{"row": 1}, {"row": 4}]
        assert [loss.startswith("line 3 is not JSON") for loss in findings.losses] == [True]

    def test_many_bad_lines_are_counted(self) -> None:
        findings = Findings()
        read(read_jsonl, ("x\n" * 100 + "{}\n1").encode(), findings)
        assert findings.losses[-1] == "80 more lines are not JSON and are left out"

    def test_a_file_without_a_good_line_is_refused(self) -> None:
        assert refused(read_jsonl, "x\ny\n").message == "none of its 2 lines is JSON"

    def test_half_a_character_in_json_becomes_one_that_can_be_stored(self) -> None:
        assert texts(read_jsonl, '{"a": "x\\ud83d"}') == ["a: x\ufffd"]


class TestText:
    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
    def test_every_form_of_unicode_is_read_without_a_note(self, encoding: str) -> None:
        findings = Findings()
        text = "Grüße to the whole world, and to everybody else.\nEnd"
        assert decoded(text.encode(encoding), findings) == text
        assert findings == Findings()

    def test_other_text_is_read_as_windows_1252_or_latin_1_and_noted(self) -> None:
        for data, name in ((b"caf\xe9 \x93x\x94", "Windows-1252"), (b"caf\xe9 \x81", "Latin-1")):
            findings = Findings()
            assert decoded(data, findings).startswith("café ")
            assert findings.notes == [f"is not UTF-8; it was read as {name}"]

    def test_a_broken_file_with_a_mark_is_read_and_the_loss_is_told(self) -> None:
        findings = Findings()
        assert decoded(b"\xef\xbb\xbfab\xff", findings) == "ab\ufffd"
        assert len(findings.losses) == 1

    @pytest.mark.parametrize(
        "data", [b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", b"\x7fELF\x02\x01\0", bytes(range(256)) * 9, b"ab\0cd"]
    )
    def test_binary_data_is_no_text(self, data: bytes) -> None:
        assert is_binary(data)
        assert refused(read_plain, data).message == "it is a binary file, not text"

    @given(st.text(max_size=100))
    def test_clean_text_can_be_stored_and_is_clean(self, text: str) -> None:
        cleaned = clean(text)
        cleaned.encode()
        assert clean(cleaned) == cleaned
        assert "\0" not in cleaned
        assert "\r" not in cleaned

    @given(st.binary(max_size=300))
    def test_whatever_bytes_there_are_every_reader_reads_or_refuses_them(self, data: bytes) -> None:
        for reader in {*READERS.values()} - {read_pdf, read_docx}:
            assert ending(reader, data)


def test_a_reader_is_chosen_by_suffix_then_by_content() -> None:
    assert reader_for(".MD", b"") is read_markdown
    assert reader_for(".xyz", b"%PDF-1.7 ...") is read_pdf
    assert reader_for("", b"words") is read_plain
    assert reader_for(".png", b"\x89PNG\r\n\x1a\n\0\0") is None


def test_readers_import_their_packages_only_when_they_read(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    usual = builtins.__import__

    def noted(name: str, *args: Any, **kwargs: Any) -> Any:
        asked.append(name.partition(".")[0])
        return usual(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", noted)
    read(read_plain, b"text")
    assert not {"bs4", "docx", "pypdfium2", "lxml"} & set(asked)


def test_errors_of_readers_are_of_our_tree() -> None:
    assert issubclass(SourceUnreadable, BridleError)

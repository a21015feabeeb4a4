from __future__ import annotations


def test_what_a_page_shows_works(page, blocks_in, reader):
    for block in blocks_in(page):
        try:
            reader.read(block)
        except BaseException as error:
            error.add_note(f"{page}, block at line {block.line}")
            raise

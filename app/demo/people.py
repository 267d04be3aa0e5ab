"""Invented customers: plausible names, ID numbers of no existing region, unassigned mobile prefixes."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pandas as pd
from stdnum.cn import ric

#: No province of China has the code 99, so nobody has such an ID number.
REGION = "990101"
#: mobile prefixes that are not assigned to any operator
MOBILE_PREFIXES = ("154", "160", "161", "163", "164")
HEADER = ("线索编号", "客户姓名", "联系电话", "身份证号", "来源渠道", "所属机构")
FIRST_LEAD_NO = 1024589

_SURNAMES = (
    "王李张刘陈杨黄赵吴周徐孙马朱胡郭何林高罗郑梁谢宋唐许邓韩冯曹彭曾肖田董潘袁蔡蒋余于杜叶程魏"
    "苏吕丁任卢姚沈钟姜崔谭陆范汪廖石金贾夏韦付方邹熊白孟秦邱侯江尹薛闫段雷龙黎史陶贺毛郝顾龚邵"
    "万覃武钱戴严莫孔向常汤"
)
_GIVEN_FIRST = "建志明国文晓海俊春永思子雨佳嘉雅诗梓浩宇欣怡秀丽玉红淑美静慧敏艳秋冬小天一云立家成振德宏伟"
_GIVEN_LAST = "华军平强辉鹏飞杰涛斌波超刚勇峰磊洋宁林芳娟霞玲英萍燕娜婷洁莉琴雪梅兰颖琳倩悦彤涵轩然博睿航远"
_SOURCES = {"官网预约": 26, "抖音推广": 24, "线下活动": 20, "熟人转介绍": 18, "搜索引擎": 12}
_FIRST_BIRTH, _BIRTH_DAYS = dt.date(1958, 1, 1), 17000


@dataclass(frozen=True)
class Customer:
    """A customer of the demo as a row of the bank's list."""

    lead_no: str
    name: str
    phone: str
    id_number: str
    source: str
    branch: str

    def row(self) -> tuple[str, ...]:
        """Return the cells in the order of HEADER."""
        return (self.lead_no, self.name, self.phone, self.id_number, self.source, self.branch)


def customers(count: int, branches: dict[str, int], random: Random) -> list[Customer]:
    """Return ``count`` different customers, distributed over the branches by weight."""
    sources = random.choices(list(_SOURCES), list(_SOURCES.values()), k=count)
    homes = random.choices(list(branches), list(branches.values()), k=count)
    phones = random.sample(range(10**8), count)
    return [
        Customer(
            f"L{FIRST_LEAD_NO + serial}",
            _name(random),
            MOBILE_PREFIXES[serial % len(MOBILE_PREFIXES)] + f"{phones[serial]:08d}",
            _id_number(serial),
            sources[serial],
            homes[serial],
        )
        for serial in range(count)
    ]


def _name(random: Random) -> str:
    # The surnames are sorted by frequency; squaring prefers the frequent ones.
    surname = _SURNAMES[int(random.random() ** 2 * len(_SURNAMES))]
    first = random.choice(_GIVEN_FIRST) if random.random() < 0.75 else ""
    return surname + first + random.choice(_GIVEN_LAST)


def _id_number(serial: int) -> str:
    # Both parts repeat with coprime periods, so that no number occurs twice.
    born = _FIRST_BIRTH + dt.timedelta(days=serial * 7919 % _BIRTH_DAYS)
    body = f"{REGION}{born:%Y%m%d}{serial % 997:03d}"
    return f"{body}{ric.calc_check_digit(body + '0')}"


def write_lead_file(path: Path, people: Sequence[Customer]) -> None:
    """Write the list as a UTF-8 CSV, with a few rows that have typical mistakes."""
    rows = [*(person.row() for person in people), *_mistakes(people)]
    table = pd.DataFrame(rows, columns=HEADER, dtype="str")
    table.to_csv(path, index=False, encoding="utf-8-sig", lineterminator="\r\n")


def _mistakes(people: Sequence[Customer]) -> Iterator[tuple[str, ...]]:
    """Yield rows that the import has to reject, two for each reason."""
    for person in people[:2]:
        lead_no, name, phone, id_number, source, branch = person.row()
        wrong_digit = id_number[:-1] + ("1" if id_number[-1] != "1" else "2")
        yield person.row()
        yield (lead_no, "", phone, id_number, source, branch)
        yield (lead_no, name, phone, "", source, branch)
        yield (lead_no, name, phone, wrong_digit, source, branch)
        yield (lead_no, name, "12345", id_number, source, branch)

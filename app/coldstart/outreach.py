"""Preset templates, forbidden words and outreach settings of a fresh installation."""

from __future__ import annotations

from sqlalchemy import select

from app.extensions import db
from app.lib import clock
from app.models import (
    ForbiddenWord,
    OutreachSetting,
    OutreachTemplate,
    OutreachTemplateVersion,
    PresetApplied,
    VersionStatus,
)
from app.outreach.settings import OutreachSettings

USER = "coldstart"
TEMPLATE, WORD = "template", "forbidden_word"
#: (channel, name, text)
TEMPLATES = (
    (
        "sms",
        "消费贷款额度提醒",
        "【本行】尊敬的{surname}先生/女士，您在我行的消费贷款专属额度已更新，随借随还，详情请咨询{branch}。",
    ),
    (
        "sms",
        "老客户利率优惠",
        "【本行】尊敬的{surname}先生/女士，{month}月老客户贷款利率优惠进行中，请登录手机银行或致电{branch}了解。",
    ),
    (
        "sms",
        "理财到期关怀",
        "【本行】尊敬的{surname}先生/女士，{branch}客户经理为您准备了新的资产配置方案，欢迎预约。",
    ),
    (
        "call",
        "贷款需求回访",
        "您好，请问是{surname}先生/女士吗？我是{branch}的客户经理。近期我行有一款面向老客户的消费贷款，"
        "想了解您是否有资金需求。如不方便，我改天再联系；如不希望再接到来电，请告诉我，我马上登记。",
    ),
    (
        "call",
        "额度激活邀请",
        "您好{surname}先生/女士，{branch}为您保留了一笔预授信额度，本次致电想协助您了解使用方式，大约占用您两分钟。",
    ),
)
WORDS = (
    *("保本", "保收益", "无风险", "零风险", "稳赚", "最高收益", "国家级", "最低利率", "包过", "必批"),
    *("秒批", "不看征信", "黑户", "套现"),
)


def add_presets() -> None:
    """Add the presets that were never applied, leaving deleted and changed ones alone. Doesn't commit."""
    known = {(row.kind, row.code) for row in db.session.scalars(select(PresetApplied))}
    names = set(db.session.scalars(select(OutreachTemplate.name)))
    for channel, name, body in TEMPLATES:
        if (TEMPLATE, name) not in known and name not in names:
            version = OutreachTemplateVersion(number=1, body=body, created_by=USER)
            db.session.add(OutreachTemplate(channel=channel, name=name, created_by=USER, versions=[version]))
            db.session.add(PresetApplied(kind=TEMPLATE, code=name))
    words = set(db.session.scalars(select(ForbiddenWord.word)))
    for word in WORDS:
        if (WORD, word) not in known and word not in words:
            db.session.add(ForbiddenWord(word=word, created_by=USER))
            db.session.add(PresetApplied(kind=WORD, code=word))
    if db.session.scalar(select(OutreachSetting.id).limit(1)) is None:
        db.session.add(
            OutreachSetting(
                values=OutreachSettings().model_dump(mode="json"),
                status=VersionStatus.ACTIVE,
                created_by=USER,
                activated_by=USER,
                activated_at=clock.now(),
            )
        )

"""How seven languages state an answer: regex fragments for `answer_text.Cues`.

The fragments meet cleaned text (`answer_text.Text`): lower case, half width, no markdown, every
bracket a round one, every quote straight, 。and 、as `.` and `,`. Accents are optional where models
drop them. For speed each alternative of names, picks, verdicts, praises and leads starts with a
literal (`_each` spreads a tail over many), and no fragment nests an unbounded repeat (linear time).
"""

from dataclasses import dataclass

__all__ = ["ANSWER_KEYS", "LANGUAGES", "Language"]


@dataclass(frozen=True, slots=True)
class Language:
    """One language's ways to state an answer."""

    names: str
    """What calls something the answer; a tie and a letter follow: answer, 정답."""
    ties: str
    """What ties that name to a letter: is, :, 은."""
    guesses: str
    """Ties that only guess: is probably. ("Might be" ties nothing.)"""
    picks: str
    """What needs no tie: I choose, 故选."""
    spoilers: str
    """What may stand before a name or a pick and takes its meaning: incorrect, if."""
    verdicts: str
    """What follows the letter and calls it the answer: is the answer, 가 정답."""
    praises: str
    """What follows the letter and calls it right: is correct (also said of single options)."""
    leads: str
    """Weak openings before a letter that ends the sentence: therefore."""
    subjects: str
    """What an option, letter and text, is said to be: the most likely diagnosis is."""
    lead_words: str
    """Words that may stand right before a letter that a verdict or a praise follows: option, so."""
    denials: str
    """What takes the answer out of a sentence that quotes an option: not, 아니."""
    polar: tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]
    """Yes, no and maybe, each in its spellings."""
    weak: str = "(?!)"
    """Openings and verdicts that only count where nothing plainer is said: would be."""
    script: str = ""
    """A character that every text in this language has; empty for Latin."""


def _each(heads: str, tail: str) -> str:
    return "|".join(head + tail for head in heads.split("|"))


ANSWER_KEYS = (
    r"(?:(?:the|my|final|correct|right|best|model|predicted|selected|chosen|최종|정확한|最终|最終|正确"
    r"|正確|bonnes?|r[ée]ponses?|la|respuesta|правильный|верный|итоговый)[_ -]?){0,3}"
    r"(?:answers?|choice|option|letter|ans|prediction|정답|답변|답안|답|答案|选项|答え|解答|回答|正解|答"
    r"|r[ée]ponses?|finales?|respuestas?|opci[óo]n|correctas?|final|ответы?|вариант)"
    r"(?:[_ -]?(?:choices?|letters?|options?|keys?|idx|index|번호|finales?|correctas?|correctes?"
    r"|ответа))?"
)

_BEST = "correct|right|best|final|likely|appropriate|accurate|suitable|probable|plausible|fitting"
_OF = r"(?:\s(?:to|for|among|in|of|from|here|based|that|we|i)\b[^.:;?\n]{0,80}?(?=\s(?:is|are)\s))?"
_EN = Language(
    names=rf"answers?(?:[ _](?:choice|option|letter|key)s?)?(?:\(s\))?{_OF}|ans\b\.?|solution|"
    r"selected\soption|(?:choice|correct|key)(?=\s?:)|"
    + _each(
        _BEST,
        rf"\s(?:option|choice|statement|response|letter|selection|alternative|one)s?{_OF}",
    ),
    ties=r"(?:is|are|was|would\sbe|should\sbe|must\sbe|will\sbe|remains)(?:\s*:)?|[:=>]|-+>?",
    guesses=(
        r"(?:seems|appears)(?:\sto\sbe)?|(?:is|would\sbe)\s(?:most\s|very\s)?"
        r"(?:likely|probably|presumably)(?:\sto\sbe)?|(?:probably|likely)\sis"
    ),
    picks=_each(
        "i|we",
        r"(?:'d|'ll|\swould|\swill|\sshould|\smust)?\s(?:therefore\s|thus\s|then\s)?"
        r"(?:choose|chose|selected|select|picked|pick|answer|go\swith|opt\sfor|conclude\swith)",
    ),
    spoilers=(
        r"(?:[a-zà-ÿ0-9]|\b(?:in|un)|(?:\b(?:incorrect|wrong|if|whether|suppose|assuming|another"
        r"|other|least|not|never|possible|common|next|second|alternative|original|initial|tempting"
        r"|distractor)|n't|(?:\bnot|n't)\s(?:think|believe)(?:\sthat)?)[\s-]"
        r"(?:(?:the|your|my|an?|final|correct|best|most)\s){0,3})"
    ),
    verdicts=_each(
        r"is|would\sbe|must\sbe|should\sbe|as",
        r"\s(?:therefore\s|thus\s|clearly\s|indeed\s)?"
        rf"(?:(?:the|my|our)\s(?:single\s|most\s)?(?:(?:{_BEST})\s)?answer"
        rf"|the\s(?:single\s|most\s)?(?:{_BEST})\s(?:choice|option|response|one))",
    ),
    praises=_each(
        "is|are",
        r"\s(?:also\s|both\s)?(?:the\s)?(?:most\s)?(?:correct|right|accurate|appropriate)(?!\s*\?)",
    ),
    leads=_each(r"therefore|thus|hence|so|it\sis|it's", r"\s?,?\s"),
    subjects=(
        r"(?:most\s(?:likely|appropriate|probable|suitable|accurate)|best|next)\s"
        r"[^.:;?\n]{0,60}?\s(?:is|would\sbe)\s?:?\s?"
    ),
    lead_words=(
        r"(?:options?|choices?|answers?|letters?|statements?|so|thus|therefore|hence|that|think|only"
        r"|believe|and|conclude|say|clearly|means|making|with|of)\s"
    ),
    denials=(
        r"\b(?:not|no|never|none|neither|nor|cannot|incorrect|wrong|false|except|excluding|unlike"
        r"|rather\sthan|instead\sof|rules?\sout|ruled\sout|unlikely|less\slikely|however|whether)\b"
        r"|n't\b"
    ),
    polar=(("yes",), ("no",), ("maybe", "uncertain")),
    weak=r"would\sbe|\Asolution",
)

_ZH = Language(
    names=(
        r"答案|正确的?选项|正确的?说法|正确的?选择|正确的?做法|正确的|最佳选项|最佳选择|正確的?選項"
        r"|正確的?說法|答(?=\s?:)|最终选择|我的选择|选(?<![^\n,.;]选)择?(?=\s?:)"
    ),
    ties=r"(?:应该?|應該?|就)?(?:是|为|為|选择?|選擇?)(?:\s?:)?|[:=]|-+>?",
    guesses=r"(?:很可能|应该|大概|似乎)(?:是|为|為)",
    picks=(
        _each("选择|選擇|选|選", r"(?!\s{0,3}[,:\n])")
        + "|故答案|"
        + _each(
            "本题|故|因此|所以|因而|综上(?:所述)?|最终|我|应[该当]?|應該?",
            r"\s?,?\s?(?:选择?|選擇?)(?!\s?,)",
        )
    ),
    spoilers=(
        r"(?:[不别勿未错误待备供挑首优優筛篩可次候当入初任单多慎禁忌]|如果|假如|假设|是否"
        r"|(?:不(?:要|宜|可|能|应|该|会|得|是|建议|推荐|考虑|适合|认为)|避免|禁止|无法)[一-鿿]{0,4})"
    ),
    verdicts=_each("是|为|為", r"(?:最佳|正确的?|本题的?|最终)?\s?(?:答案|选择|选项)"),
    praises=_each("是|也|都|最|的说法|的描述|说法|描述", "(?:正确|符合题意|合适|恰当)的?")
    + "|正确|符合题意",
    leads=_each("因此|所以|综上|故|即", r"\s?,?\s?(?:是|为)?"),
    subjects=r"最[^.:?\n]{1,20}?(?:是|为|為)",
    lead_words=r"(?:选项|選項|因此|所以|故|只有|则|即|选择|认为|而|综上|,)\s?",
    denials=r"[不非没无未错誤误]|排除|除外|除了|而是",
    polar=(("是", "是的", "对", "正确"), ("否", "不", "不是", "错误"), ("也许", "可能", "不确定")),
    weak=r"\A[选選]",
    script="[一-鿿]",
)

_JA = Language(
    names=(
        r"正解|答え|答(?=\s?[:は])|解答|回答|正答|正しいもの|正しい選択肢|正しいのは|正しい組"
        r"|正しい記述|適切なもの|適切な選択肢|適切なのは|最終回答"
    ),
    ties=r"(?:は|が|として|:|=|-+>?)(?:\s?[,:])*",
    guesses=r"は?(?:おそらく|たぶん|恐らく)",
    picks=r"よって正解",
    spoilers=r"(?:[不誤]|もし)",
    verdicts=(
        _each("が|は", r"\s?(?:最も)?(?:正解|答え|正答|解答)(?!.{0,6}(?:な[いく]|ありません))")
        + r"|を(?:選択|選び|選ぶ|解答)(?!.{0,3}(?:ない|ません))"
    ),
    praises=_each("が|は|も", r"\s?(?:最も)?(?:正しい|適切(?!で[はな])|該当する|妥当(?!で[はな]))"),
    leads=_each("よって|したがって|従って|以上より|ゆえに", r"\s?,?\s?"),
    subjects=r"最も[^.:?\n]{1,20}?は",
    lead_words=r"(?:選択肢|よって|したがって|従って|以上より|ため|ので|から|は|の|,)\s?",
    denials=r"な[いくし]|ません|ず[,\s]|誤|除外|否定|ではなく|一方",
    polar=(("はい",), ("いいえ",), ("たぶん", "わからない")),
    script="[぀-ヿ一-鿿]",
)

_DE = r"(?:\s(?:à|a|de|du|pour|parmi|para|entre)\s[^.:;?\n]{0,80}?(?=\s(?:est?|sont?)\s))?"
_FR = Language(
    names=(
        r"r[ée]ponses?(?:\(s\))?(?:\s(?:correctes?|exactes?|justes?|finales?|attendues?|vraies?|bonnes?))?"
        + _DE
        + "|bons?\\schoix|"
        + _each(
            "proposition|option|choix|lettre|affirmation|item",
            r"s?\s(?:correcte?s?|exacte?s?|justes?|vraie?s?)",
        )
    ),
    ties=r"(?:est|sont|serait|seraient|doit\s[êe]tre)(?:\s(?:donc|bien|alors))?(?:\s?:)?|[:=]|-+>?",
    guesses=r"(?:est|serait|semble)\s(?:tr[èe]s\s)?(?:probablement|vraisemblablement|[êe]tre)",
    picks=_each("je", r"\s(?:choisis|s[ée]lectionne|retiens|coche)") + r"|j'opte\spour",
    spoilers=(
        r"(?:[a-zà-ÿ0-9]|\b(?:mauvaises?|fausses?|si|autres?|aucune|incorrectes?"
        r"|deuxi[èe]me|seconde)\s"
        r"(?:(?:la|les|bonnes?|meilleure)\s){0,2})"
    ),
    verdicts=_each("est|sont", r"\s(?:donc\s|bien\s)?(?:la|les)\s(?:bonnes?\s)?r[ée]ponses?"),
    praises=_each(
        "est|sont",
        r"\s(?:donc\s|bien\s|aussi\s|[ée]galement\s)?(?:correcte?s?|exacte?s?|vraie?s?|justes?)",
    ),
    leads=_each("donc|ainsi", r"\s?,?\s"),
    subjects=r"plus\s[^.:;?\n]{1,60}?\sest\s?:?\s?",
    lead_words=(
        r"(?:options?|r[ée]ponses?|propositions?|items?|lettres?|la|les|donc|que|et|seule|choix)\s"
    ),
    denials=r"\b(?:pas|ne|non|jamais|aucune?|sauf|incorrecte?|fausse?|plut[ôo]t\sque|cependant)\b|\bn'",
    polar=(("oui",), ("non",), ("peut-être", "peut-etre")),
    weak="serai(?:t|ent)",
)

_RIGHT = r"правильн\w{2,3}|верн\w{2,3}"
_RU = Language(
    names=r"ответ(?:ом|ы|а)?|" + _each(_RIGHT, r"\s(?:вариант|букв|выбор)\w{0,3}(?:\sответа)?"),
    ties=r"(?:является|это|будет|есть|под\sбуквой)(?:\s?:)?|[:=]|-+>?(?:\sэто\s?:?)?",
    guesses=r"[\s,-]{0,3}(?:вероятно|скорее\sвсего)\s?,?",
    picks=r"выбираю|выбираем|следует\sвыбрать|выберу",
    spoilers=r"(?:[а-яё0-9]|\b(?:неправильн\w{2,3}|неверн\w{2,3}|если|другой|не\sдумаю,\sчто)\s)",
    verdicts=rf"(?:-\s?)?(?:является\s|это\s)?(?:{_RIGHT})\s(?:ответ|вариант)\w{{0,2}}",
    praises=r"(?:-\s?)?(?:тоже\s|также\s)?(?:является\s)?(?:правильн|верн)(?:ый|ым|о|ая|ой|ы|ен)\b",
    leads=_each("следовательно|таким образом|поэтому|итак|значит", r"\s?,?\s"),
    subjects=r"наиболее\s[^.:;?\n]{1,60}?\s(?:является|-|это)\s",
    lead_words=r"(?:вариант|ответ|буква|опция|что|поэтому|только|и|следовательно,|значит,)\s",
    denials=r"\b(?:не|нет|ни|кроме|исключ\w*|неверн\w*|неправильн\w*|однако)\b",
    polar=(("да",), ("нет",), ("возможно", "может быть")),
    script="[а-яё]",
)

_ES = Language(
    names=(
        r"respuestas?(?:\s(?:m[áa]s\s)?(?:correctas?|finales|final|adecuadas?|acertadas?|probables?))?"
        + _DE
        + r"|soluci[óo]n|la\scorrecta|"
        + _each(
            "opci[óo]n|opciones|alternativas?|letras?|elecci[óo]n",
            r"\s(?:m[áa]s\s)?(?:correctas?|adecuadas?|acertadas?|probables?)",
        )
    ),
    ties=r"(?:es|son|ser[íi]an?|debe\sser|ser[áa])(?:\s(?:por\stanto|entonces))?(?:\s?:)?|[:=]|-+>?",
    guesses=r"(?:es|ser[íi]a)\s(?:muy\s)?probablemente|parece\sser",
    picks=r"elijo|escojo|selecciono|marco|me\squedo\scon|opto\spor|elegimos|elegir[íi]a",
    spoilers=(
        r"(?:[a-zà-ÿ0-9]|\b(?:si|otra|otras|falsa|incorrecta|ninguna|cada|mala|segunda)\s"
        r"(?:(?:la|las|mejor)\s){0,2})"
    ),
    verdicts=_each(
        "es|son",
        r"\s(?:por\stanto\s)?las?\s(?:respuestas?(?!\s(?:incorr|fals|err))"
        r"|(?:opci[óo]n|opciones|alternativa)\s(?:m[áa]s\s)?(?:correctas?|adecuadas?|acertada))",
    ),
    praises=_each(
        r"es|son|también\ses",
        r"\s(?:las?\s)?(?:correct[ao]s?|adecuad[ao]s?|ciert[ao]s?|verdader[ao]s?)",
    ),
    leads=_each(r"por\stanto|por\slo\stanto|as[íi]\sque|entonces", r"\s?,?\s")
    + r"|es\s(?:la\s)?opci[óo]n\s",
    subjects=r"m[áa]s\s[^.:;?\n]{1,60}?\ses\s?:?\s?",
    lead_words=(
        r"(?:opci[óo]n|respuesta|alternativa|letra|la|las|que|tanto|tanto,|solo|opciones|y)\s"
    ),
    denials=r"\b(?:no|nunca|ningun[oa]?|ningún|incorrect[ao]|fals[ao]|salvo|excepto|sin\sembargo)\b",
    polar=(("sí", "si"), ("no",), ("quizás", "quizá", "tal vez")),
    weak=r"ser[íi]an?|\Asoluci",
)

_GOOD = r"(?:가장\s?)?(?:적절한\s?|올바른\s?|옳은\s?|맞는\s?)?"
_KO = Language(
    names=(
        r"정\s?답(?:\s?번호)?|최종\s?답변|최종\s?답안|최종\s?답|최종\s?선택|해답|답변|답안|답|"
        + _each("옳은|맞는|알맞은|올바른|적절한|적합한", r"\s?(?:것|답|선택지|보기|선택|번호)")
    ),
    ties=r"(?:으로는|으로|은|는|이|가|[:=]|-+>?)(?:\s?(?:바로|역시|[:=,-]))*",
    guesses=r"(?:은|는|이)\s아마도?",
    picks=r"(?!)",
    spoilers=r"(?:[대응문해화회오]|만약\s?|혹시\s?|옳지\s않은\s?)",
    verdicts=(
        _each(
            "이|가|은|는",
            rf"\s?{_GOOD}(?:정답|답)(?!지|변|이\s?아|은\s?아|은?\s?될\s?수\s?없|으로\s?보기|이라고\s?[가-힣]{{2}}할\s?수)",
        )
        + r"|정답(?=입|이다|임|이며|으로\s?[선판])|"
        + _each(
            "을|를",
            r"\s?(?:정답으로\s?)?(?:(?:선택|택)(?!하?지|해서는|하면(?!\s?[됩된]))"
            r"|고르(?!지|면(?!\s?[됩된]))|골라(?!서는)|고른)",
        )
    ),
    praises=_each(
        "이|가|은|는|도",
        r"\s?(?:가장\s?)?(?:옳(?!지)|맞(?!지)|올바르(?!지)|올바른|정확(?!하지)|적절(?!하지|치)"
        r"|적합(?!하지)|타당(?!하지))",
    ),
    leads=_each("따라서|그러므로|결국|결론적으로|그래서", r"\s?,?\s?"),
    subjects=r"가장\s[^.:?\n]{1,20}?(?:은|는)\s?",
    lead_words=r"(?:따라서|그러므로|최종적으로|고로|이에|선택지|보기|옵션|즉|그래서|결국|결론적으로|번|는|은|의|중|중에서|,)\s?",
    denials=r"아니|아닌|아닙|않|없|못|틀|잘못|제외|부적절|하지만|그러나|반면",
    polar=(("예", "네"), ("아니오", "아니요"), ("아마도", "모름")),
    script="[가-힣]",
)

LANGUAGES = {"en": _EN, "zh": _ZH, "ja": _JA, "fr": _FR, "ru": _RU, "es": _ES, "ko": _KO}

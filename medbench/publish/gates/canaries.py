"""What every form of a checkpoint is asked: texts that this project wrote, and how they go on."""

__all__ = ["CANARIES"]

CANARIES = (
    (
        "Question: A gardener steps on a rusty nail and was last vaccinated as a child. What is "
        "given against tetanus?\nAnswer:",
        " immunoglobulin and a booster of the toxoid.",
    ),
    (
        "The nurse reads a potassium of 6.8 mmol/l and sees broad QRS complexes. The first drug is",
        " calcium gluconate, since it steadies the heart.",
    ),
    (
        "问题：老年女性夜间突发呼吸困难，双肺湿啰音，坐起后稍缓解。最可能的诊断是什么？\n答案：",
        "急性左心衰竭。",
    ),
    (
        "問題：鉄欠乏性貧血の患者で最も早く低下する血液検査の値はどれか。\n答え：",
        "血清フェリチンである。",
    ),
    (
        "문제: 갑상샘 수술 뒤 입 주위가 저리고 손에 경련이 왔다. 무엇이 부족한가?\n정답:",
        " 칼슘이 부족하다.",
    ),
    (
        "Question : quel dosage sanguin s'élève le premier après un infarctus du myocarde ?\n"
        "Réponse :",
        " la troponine ultrasensible.",
    ),
    (
        "Вопрос: какой витамин назначают при длительном приёме изониазида?\nОтвет:",
        " витамин B6, чтобы не было нейропатии.",
    ),
    (
        "Pregunta: ¿qué electrolito se vigila al tratar con insulina una cetoacidosis?\nRespuesta:",
        " el potasio, que baja deprisa.",
    ),
)
"""(what is read, what follows), in the languages of the benchmarks."""

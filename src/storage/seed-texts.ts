/**
 * Texts for seeded messages: mostly short, some long, in several scripts, with emoji. Made from fixed phrases by a
 * fixed rule, so that two databases seeded alike hold the same bytes.
 */
const phrases = [
  'Hi, is the blue one still in stock?',
  'Yes, we have three left.',
  'Your parcel leaves the depot this afternoon.',
  'Thanks a lot! 🙏',
  'Can I move my appointment to Thursday at 10:30?',
  'Of course, see you then.',
  'The invoice for October is attached.',
  'Please send a photo of the label on the back.',
  'ok 👍',
  'The driver could not find the door bell, he will call you in a moment.',
  'We are open from nine to six, on Saturdays until two.',
  'Grüße aus Köln, die Lieferung kam pünktlich an.',
  'Könnten Sie mir bitte die Rechnung noch einmal schicken?',
  'Muito obrigado, chegou tudo certo 😊',
  '¿A qué hora cierran hoy?',
  'Le colis est arrivé abîmé, que dois-je faire ?',
  'Спасибо, заказ получен.',
  'Когда будет доставка?',
  'धन्यवाद, मुझे मिल गया।',
  'कल सुबह दस बजे ठीक रहेगा?',
  'شكرا جزيلا، وصل الطلب.',
  '请问这个还有货吗？',
  '明日の午前中に届きますか？',
  'Terima kasih, pesanan sudah sampai 🎉',
  'Reply STOP to end these messages.',
  'Nobody was at home, so the parcel waits at the shop on the corner until Friday.',
];

/** How many phrases a text has: most one to three, every twelfth a long letter. */
function phrasesOf(index: number): number {
  if (index % 12 === 11) return 8 + (index % 7);
  if (index % 4 === 3) return 4;
  return 1 + (index % 3);
}

/** `count` different texts, 5 to about 900 bytes, about 150 on average. */
export function seedTexts(count: number): string[] {
  return Array.from({ length: count }, (_, index) => {
    const parts = Array.from(
      { length: phrasesOf(index) },
      (_unused, part) => phrases[(index * 7 + part * 11 + Math.floor(index / 26)) % phrases.length] ?? '',
    );
    return index % 5 === 0 ? `${parts.join(' ')} (#${1000 + index})` : parts.join(' ');
  });
}
